/* See segment_file.h. */
#include "cli/segment_file.h"

#include "common/base/buffer.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_DIGITS 20
#define INDEX_ENTRY_SIZE 8
#define TIME_ENTRY_SIZE 12
#define RECORDS_MAX (1u << 30)

int64_t segment_base_offset(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    for (int i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return -1;
        }
    }
    return name[NAME_DIGITS] == '.' ? strtoll(name, NULL, 10) : -1;
}

static void problem(const struct segment_visitor *visitor, uint64_t position, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void problem(const struct segment_visitor *visitor, uint64_t position, const char *format, ...)
{
    char text[256];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    visitor->problem(visitor->context, position, text);
}

/* Reads all records of the batch, to find those that cannot be. */
static void check_records(const struct segment_visitor *visitor, const struct segment_batch *batch,
                          struct buffer *scratch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct batch_header header;
    enum batch_error error = batch_validate(batch->bytes, &limits, &header);

    if (error == BATCH_ERROR_NONE) {
        error = batch_validate_records(batch->bytes, &header, &limits, NULL, scratch, NULL);
    }
    if (error != BATCH_ERROR_NONE) {
        problem(visitor, batch->position, "batch at offset %" PRId64 ": %s", batch->header.base_offset,
                batch_error_text(error));
    }
}

static void check_order(const struct segment_visitor *visitor, const struct segment_batch *batch, int64_t base_offset,
                        int64_t next_offset)
{
    const int64_t offset = batch->header.base_offset;

    if (base_offset >= 0 && offset < base_offset) {
        problem(visitor, batch->position, "offset %" PRId64 " lies before the file's name, %" PRId64, offset,
                base_offset);
    } else if (offset < next_offset) {
        problem(visitor, batch->position, "offset %" PRId64 " does not ascend: %" PRId64 " was there before", offset,
                next_offset - 1);
    }
}

/* The offset behind a batch whose header says anything; the largest there is if it lies behind that. */
static int64_t offset_behind(const struct batch_header *header)
{
    int64_t behind;

    return __builtin_add_overflow(header->base_offset, (int64_t)header->last_offset_delta + 1, &behind) ? INT64_MAX
                                                                                                        : behind;
}

/* Reads the batch at the file's position into `bytes`; END at the end of the file. */
static enum status read_batch(FILE *file, struct buffer *bytes, struct batch_header *header)
{
    buffer_clear(bytes);
    bytes->size = fread(buffer_reserve(bytes, RECORD_BATCH_HEADER_SIZE), 1, RECORD_BATCH_HEADER_SIZE, file);
    if (bytes->size == 0) {
        return ferror(file) ? STATUS_IO : STATUS_END;
    }
    const enum status status = batch_header_read(buffer_bytes(bytes), header);

    if (status != STATUS_OK) {
        return status;
    }
    if (batch_size(header) > SEGMENT_BATCH_MAX) {
        return STATUS_TOO_LARGE;
    }
    const size_t rest = batch_size(header) - RECORD_BATCH_HEADER_SIZE;
    const size_t got = fread(buffer_reserve(bytes, rest), 1, rest, file);

    bytes->size += got;
    return got == rest ? STATUS_OK : STATUS_TRUNCATED;
}

/* Bytes left in the file; what a header claims is held against it before memory is taken. */
static bool fits(FILE *file, uint64_t file_size, uint64_t position)
{
    uint8_t prefix[RECORD_BATCH_OVERHEAD];
    const size_t got = fread(prefix, 1, sizeof(prefix), file);

    if (fseeko(file, (off_t)position, SEEK_SET) != 0) {
        return false;
    }
    if (got < sizeof(prefix)) {
        return true; /* read_batch says that it is cut */
    }
    const int32_t length = load_i32(prefix + 8);

    return length >= 0 && (uint64_t)length + RECORD_BATCH_OVERHEAD <= file_size - position;
}

static bool all_zero(FILE *file)
{
    int c;

    while ((c = getc(file)) == 0) {
    }
    return c == EOF;
}

static enum status walk_open(FILE *file, int64_t base_offset, const struct segment_visitor *visitor)
{
    struct segment_batch batch = {0};
    struct buffer bytes;
    struct buffer scratch;
    int64_t next_offset = -1;
    enum status status = STATUS_OK;

    if (fseeko(file, 0, SEEK_END) != 0) {
        return status_from_errno(errno);
    }
    const uint64_t file_size = (uint64_t)ftello(file);

    rewind(file);
    buffer_init(&bytes);
    buffer_init(&scratch);
    while (status == STATUS_OK) {
        if (batch.position < file_size && !fits(file, file_size, batch.position)) {
            status = STATUS_TRUNCATED;
            break;
        }
        status = read_batch(file, &bytes, &batch.header);
        if (status != STATUS_OK) {
            break;
        }
        batch.bytes = buffer_bytes(&bytes);
        batch.crc_matches = batch_crc_matches(batch.bytes);
        visitor->batch(visitor->context, &batch);
        check_order(visitor, &batch, base_offset, next_offset);
        if (!batch.crc_matches) {
            problem(visitor, batch.position, "batch at offset %" PRId64 ": checksum does not match",
                    batch.header.base_offset);
        } else {
            check_records(visitor, &batch, &scratch);
        }
        next_offset = offset_behind(&batch.header);
        batch.position += bytes.size;
    }
    buffer_deinit(&bytes);
    buffer_deinit(&scratch);
    if (status == STATUS_IO) {
        return STATUS_IO;
    }
    if (status != STATUS_END) {
        /* A preallocated segment ends in zeros: that is no damage. */
        const bool zeros = fseeko(file, (off_t)batch.position, SEEK_SET) == 0 && all_zero(file);

        if (!zeros) {
            problem(visitor, batch.position, "no whole batch here: %s; %" PRIu64 " bytes follow", status_text(status),
                    file_size - batch.position);
        }
    }
    return STATUS_OK;
}

enum status segment_walk(const char *path, int64_t base_offset, const struct segment_visitor *visitor)
{
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return status_from_errno(errno);
    }
    const enum status status = walk_open(file, base_offset, visitor);

    (void)fclose(file);
    return status;
}

/* An entry must point at a batch that ends at or behind the entry's offset. */
static void check_entry(const struct segment_visitor *visitor, FILE *log, uint64_t at, int64_t offset,
                        uint32_t position)
{
    uint8_t bytes[RECORD_BATCH_HEADER_SIZE];
    struct batch_header header;

    if (fseeko(log, (off_t)position, SEEK_SET) != 0 || fread(bytes, 1, sizeof(bytes), log) != sizeof(bytes) ||
        batch_header_read(bytes_of(bytes, sizeof(bytes)), &header) != STATUS_OK) {
        problem(visitor, at, "entry for offset %" PRId64 " points to %" PRIu32 ", where no batch begins", offset,
                position);
    } else if (offset < header.base_offset || offset > batch_last_offset(&header)) {
        problem(visitor, at, "entry for offset %" PRId64 " points to the batch of %" PRId64 "..%" PRId64, offset,
                header.base_offset, batch_last_offset(&header));
    }
}

enum status segment_check_index(const char *path, const char *log_path, int64_t base_offset,
                                const struct segment_visitor *visitor)
{
    uint8_t entry[INDEX_ENTRY_SIZE];
    FILE *file = fopen(path, "re");
    FILE *log = file != NULL ? fopen(log_path, "re") : NULL;
    int64_t last_offset = -1;
    uint64_t at = 0;
    size_t got;

    if (log == NULL) {
        const enum status status = status_from_errno(errno);

        if (file != NULL) {
            (void)fclose(file);
        }
        return status;
    }
    while ((got = fread(entry, 1, sizeof(entry), file)) == sizeof(entry)) {
        const int64_t offset = base_offset + load_i32(entry);
        const uint32_t position = load_u32(entry + 4);

        /* Kafka preallocates indexes: zeros behind the last entry. */
        if (at > 0 && load_u64(entry) == 0) {
            got = 0;
            break;
        }
        if (offset <= last_offset && at > 0) {
            problem(visitor, at, "entry for offset %" PRId64 " does not ascend", offset);
        }
        if (load_u64(entry) != 0) {
            check_entry(visitor, log, at, offset, position);
        }
        last_offset = offset;
        at += sizeof(entry);
    }
    if (got != 0) {
        problem(visitor, at, "%zu bytes are no whole entry", got);
    }
    (void)fclose(log);
    (void)fclose(file);
    return STATUS_OK;
}

enum status segment_check_time_index(const char *path, int64_t base_offset, const struct segment_visitor *visitor)
{
    uint8_t entry[TIME_ENTRY_SIZE];
    FILE *file = fopen(path, "re");
    int64_t last_time = INT64_MIN;
    int64_t last_offset = -1;
    uint64_t at = 0;
    size_t got;

    if (file == NULL) {
        return status_from_errno(errno);
    }
    while ((got = fread(entry, 1, sizeof(entry), file)) == sizeof(entry)) {
        const int64_t time = load_i64(entry);
        const int64_t offset = base_offset + load_i32(entry + 8);

        if (at > 0 && time == 0 && load_i32(entry + 8) == 0) {
            got = 0;
            break;
        }
        if (time < last_time || (offset < last_offset && at > 0)) {
            problem(visitor, at, "entry (time %" PRId64 ", offset %" PRId64 ") does not ascend", time, offset);
        }
        last_time = time;
        last_offset = offset;
        at += sizeof(entry);
    }
    if (got != 0) {
        problem(visitor, at, "%zu bytes are no whole entry", got);
    }
    (void)fclose(file);
    return STATUS_OK;
}
