/* `partition.metadata`: which topic a partition's directory belongs to, so that a topic made anew under the same name
 * does not take over old data (KAFKA-12257, KIP-516). Kafka reads the first two lines and no further; the third is
 * ours: the id once more, and the CRC-32C of those 22 characters. No single damage costs the identity.
 *
 *      0  version: 0
 *     11  topic_id: AAAAAAAAAAAAAAAAAAAAAQ
 *     44  millrace: AAAAAAAAAAAAAAAAAAAAAQ 0b1cb6a2
 *
 * What is to be done with a directory that does not say whose it is: docs/decisions/0008-whose-directory.md. */
#ifndef LOG_PARTITION_METADATA_H
#define LOG_PARTITION_METADATA_H

#include "common/base/attributes.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

struct disk;

#define PARTITION_METADATA_NAME "partition.metadata"

enum partition_owner {
    OWNER_NOBODY,  /* no file, an empty one or zeros: nothing was ever written, or it never reached the disk */
    OWNER_UNKNOWN, /* damaged beyond what the second copy can mend */
    OWNER_CLAIMED, /* Kafka's two lines alone: read as Kafka does, one flipped bit makes another topic of it */
    OWNER_PROVEN,  /* two of first copy, second copy and checksum agree, or it can only be the expected one */
};

struct partition_identity {
    enum partition_owner owner;
    struct uuid topic_id; /* if CLAIMED or PROVEN */
    bool damaged;         /* PROVEN, but the file is not as it was written: should be written again */
};

/* Of what cannot be proven by itself, a copy that is a few flipped bits away from `expected` (zero: none) is taken for
 * it: of two random ids about 60 bits of the text differ. A missing file is OK, and NOBODY's. */
MUST_USE enum status partition_metadata_read(struct disk *disk, const char *path, struct uuid expected,
                                             struct partition_identity *identity);
/* Not synced. */
MUST_USE enum status partition_metadata_write(struct disk *disk, const char *path, struct uuid topic_id);
/* Replaces the file; synced. */
MUST_USE enum status partition_metadata_replace(struct disk *disk, const char *path, struct uuid topic_id);

#endif
