/* The API table's queries, and the headers that every request and response begins with. */
#include "common/wire/api.h"

#include "wire/api_table.h"

const struct api *api_find(int16_t key)
{
    size_t low = 0;
    size_t high = api_table_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (api_table[middle].key == key) {
            return &api_table[middle];
        }
        if (api_table[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct api *api_all(size_t *count)
{
    *count = api_table_count;
    return api_table;
}

/* False too if we do not decode this key or version: what follows its client id is then nobody's to say. */
static bool request_is_flexible(int16_t key, int16_t version)
{
    const struct api *api = api_find(key);

    return api != NULL && version >= api->version_min && version <= api->version_max && version >= api->flexible_since;
}

static bool response_header_is_flexible(int16_t key, int16_t version)
{
    return key != API_API_VERSIONS && request_is_flexible(key, version);
}

void request_header_read(struct request_header *header, struct reader *reader)
{
    header->key = read_int16(reader);
    header->version = read_int16(reader);
    header->correlation_id = read_int32(reader);
    /* The client id kept its classic form in header version 2, so that a server can read it before it knows the API. */
    header->client_id = read_nullable_string(reader, false);
    if (reader_ok(reader) && request_is_flexible(header->key, header->version)) {
        read_tagged_fields(reader);
    }
}

void request_header_write(const struct request_header *header, struct writer *writer)
{
    write_int16(writer, header->key);
    write_int16(writer, header->version);
    write_int32(writer, header->correlation_id);
    write_string(writer, header->client_id, false);
    if (request_is_flexible(header->key, header->version)) {
        write_tagged_fields_none(writer);
    }
}

void response_header_write(int32_t correlation_id, int16_t key, int16_t version, struct writer *writer)
{
    write_int32(writer, correlation_id);
    if (response_header_is_flexible(key, version)) {
        write_tagged_fields_none(writer);
    }
}

int32_t response_header_read(int16_t key, int16_t version, struct reader *reader)
{
    const int32_t correlation_id = read_int32(reader);

    if (response_header_is_flexible(key, version)) {
        read_tagged_fields(reader);
    }
    return correlation_id;
}
