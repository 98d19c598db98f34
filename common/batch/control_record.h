/* Records of control batches: what brokers tell consumers and each other in the log itself. Clients skip them.
 *
 *   key    version i16 (0), type i16
 *   value  of abort and commit (EndTxnMarker, KIP-98): version i16 (0), coordinator epoch i32; fields may be added
 *
 * Other types (leader change, snapshot header and footer, quorum records) occur in the metadata log only. */
#ifndef BATCH_CONTROL_RECORD_H
#define BATCH_CONTROL_RECORD_H

#include "common/batch/batch_builder.h"

enum control_type {
    CONTROL_ABORT = 0,
    CONTROL_COMMIT = 1,
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
    CONTROL_UNKNOWN = -1,
};

struct control_record {
    enum control_type type;
    int32_t coordinator_epoch; /* of abort and commit, else -1 */
};

/* Decodes a record of a control batch. CORRUPT if key or marker are cut or their version is negative. A type or key
 * version that we do not know is CONTROL_UNKNOWN, to be skipped. */
MUST_USE enum status control_record_read(const struct record *record, struct control_record *control);

/* A transaction's end for one partition. */
struct transaction_marker {
    bool commit; /* else abort */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    int64_t timestamp;
};

#define TRANSACTION_MARKER_SIZE 78

/* Writes the whole control batch, offset 0 and no leader epoch, ready for batch_assign. */
void transaction_marker_write(const struct transaction_marker *marker, uint8_t batch[TRANSACTION_MARKER_SIZE]);

#endif
