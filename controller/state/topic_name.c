/* Names of topics. */
#include "controller/state/topic_name.h"

#include "common/base/assert.h"

const char *topic_name_error(struct string name, struct arena *arena)
{
    if (name.size == 0) {
        return "A topic needs a name.";
    }
    if (string_is(name, ".") || string_is(name, "..")) {
        return "A topic cannot be named '.' or '..'.";
    }
    if (name.size > TOPIC_NAME_MAX) {
        return arena_format(arena, "The topic's name has %zu characters; at most %d are possible.", name.size,
                            TOPIC_NAME_MAX)
            .data;
    }
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return "A topic's name consists of ASCII letters, digits, '.', '_' and '-'.";
        }
    }
    return NULL;
}

static bool is_joker(char c)
{
    return c == '.' || c == '_';
}

struct string topic_name_plain(struct string name, struct arena *arena)
{
    char *plain = arena_need(arena, name.size + 1, 1);

    for (size_t i = 0; i < name.size; i++) {
        plain[i] = name.data[i] == '.' ? '_' : name.data[i];
    }
    return (struct string){plain, name.size};
}

static bool prefix_exists(const struct image *image, struct string prefix)
{
    const size_t at = image_topic_lower_bound(image, prefix);
    struct string name;

    if (at == image_topic_count(image)) {
        return false;
    }
    name = topic_image_name(image_topic_at(image, at));
    return name.size >= prefix.size && memcmp(name.data, prefix.data, prefix.size) == 0;
}

/* Tries both characters at every '.' or '_' of `text` from `at` on, as far as there are topics that begin like that. So
 * the cost is a few look-ups, however many topics there are. `text` is the name's copy to write in. */
static struct string find_variant(const struct image *image, struct string name, char *text, size_t at)
{
    static const char jokers[] = {'.', '_'};
    struct string found = STRING_NULL;

    while (at < name.size && !is_joker(text[at])) {
        at++;
    }
    if (at == name.size) {
        const struct string variant = {text, name.size};
        const struct topic_image *topic =
            string_equal(variant, name) ? NULL : image_topic_by_name(image, variant);

        return topic != NULL ? topic_image_name(topic) : STRING_NULL;
    }
    for (size_t i = 0; i < sizeof(jokers) && found.data == NULL; i++) {
        text[at] = jokers[i];
        if (prefix_exists(image, (struct string){text, at + 1})) {
            found = find_variant(image, name, text, at + 1);
        }
    }
    return found;
}

struct string topic_name_collision(const struct image *image, struct string name)
{
    char text[TOPIC_NAME_MAX];

    ASSERT(name.size <= sizeof(text));
    memcpy(text, name.data, name.size);
    return find_variant(image, name, text, 0);
}
