/* UUIDs in Kafka's text form. */
#include "common/base/uuid.h"

#include "common/base/endian.h"

static const char UUID_DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *uuid_format(struct uuid uuid, char text[UUID_TEXT_SIZE + 1])
{
    uint32_t bits = 0;
    int bit_count = 0;
    int at = 0;

    for (int i = 0; i < 16; i++) {
        bits = (bits << 8) | uuid.data[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            text[at++] = UUID_DIGITS[(bits >> bit_count) & 63U];
        }
    }
    text[at++] = UUID_DIGITS[(bits << (6 - bit_count)) & 63U];
    text[at] = '\0';
    return text;
}

enum status uuid_parse(struct string text, struct uuid *uuid)
{
    uint32_t bits = 0;
    int bit_count = 0;
    int at = 0;

    if (text.size != UUID_TEXT_SIZE) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = text.data[i] != '\0' ? strchr(UUID_DIGITS, text.data[i]) : NULL;

        if (digit == NULL) {
            return STATUS_INVALID;
        }
        bits = (bits << 6) | (uint32_t)(digit - UUID_DIGITS);
        bit_count += 6;
        if (bit_count >= 8 && at < 16) {
            bit_count -= 8;
            uuid->data[at++] = (uint8_t)(bits >> bit_count);
        }
    }
    return STATUS_OK;
}

struct uuid uuid_random(uint64_t (*random)(void *context), void *context)
{
    for (;;) {
        struct uuid uuid;
        char text[UUID_TEXT_SIZE + 1];

        store_u64(uuid.data, random(context));
        store_u64(uuid.data + 8, random(context));
        uuid.data[6] = (uint8_t)((uuid.data[6] & 0x0f) | 0x40);
        uuid.data[8] = (uint8_t)((uuid.data[8] & 0x3f) | 0x80);
        if (uuid_format(uuid, text)[0] != '-') {
            return uuid;
        }
    }
}
