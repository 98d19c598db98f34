/* Batches of the metadata log into an image: checksum, then every record decoded once without effect, then replayed. So
 * only a record that contradicts the image can stop half-way, and after that the process must not go on anyhow. */
#include "common/metadata/replay.h"

#include "common/base/assert.h"

enum status image_replay_records(struct image *image, const struct batch_header *header, struct bytes batch,
                                 struct arena *arena)
{
    struct buffer scratch;
    struct bytes records;
    struct record_iterator iterator;
    struct record record;
    enum status status;

    buffer_init(&scratch);
    status = batch_records(batch, header, NULL, COMPRESSION_SIZE_MAX, &scratch, &records);
    if (status != STATUS_OK) {
        buffer_deinit(&scratch);
        return STATUS_CORRUPT;
    }
    record_iterator_init(&iterator, header, records);
    while ((status = record_next(&iterator, &record)) == STATUS_OK) {
        struct metadata_record decoded;

        arena_reset(arena);
        status = metadata_record_read(record.value, arena, &decoded);
        if (status == STATUS_UNSUPPORTED) {
            /* A later release wrote it: as far as this one knows, the log is not what it wrote. */
            status = STATUS_INVALID;
        } else if (status == STATUS_OK && image != NULL) {
            status = image_replay(image, &decoded, record.offset);
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    buffer_deinit(&scratch);
    return status == STATUS_END ? STATUS_OK : status;
}

enum status image_apply_batch(struct image **image, struct bytes batch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct batch_header header;
    struct arena arena;
    enum status status = STATUS_OK;

    if (batch_validate(batch, &limits, &header) != BATCH_ERROR_NONE) {
        return STATUS_CORRUPT;
    }
    if (header.base_offset <= (*image)->offset) {
        return STATUS_INVALID;
    }
    if (!header.control) {
        arena_init(&arena, RECORD_ARENA_LIMIT);
        /* First a look at every record: a batch that cannot be decoded changes nothing. */
        status = image_replay_records(NULL, &header, batch, &arena);
        if (status == STATUS_OK) {
            *image = image_own(*image);
            status = image_replay_records(*image, &header, batch, &arena);
        }
        arena_deinit(&arena);
    }
    if (status == STATUS_OK) {
        *image = image_own(*image);
        (*image)->offset = batch_last_offset(&header);
        (*image)->epoch = header.partition_leader_epoch;
    }
    return status;
}
