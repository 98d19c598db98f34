/* Repeated names in a request. */
#include "controller/state/repeats.h"

#include <stdlib.h>

struct ranked_key {
    struct bytes key;
    int32_t index;
};

static int key_order(const struct ranked_key *x, const struct ranked_key *y)
{
    return string_compare((struct string){(const char *)x->key.data, x->key.size},
                          (struct string){(const char *)y->key.data, y->key.size});
}

static int ranked_order(const void *a, const void *b)
{
    const struct ranked_key *x = a;
    const struct ranked_key *y = b;
    const int order = key_order(x, y);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

const enum repeat *repeats_find(const struct bytes *keys, int32_t count, struct arena *arena)
{
    enum repeat *repeats = arena_need(arena, (size_t)count, sizeof(*repeats));
    struct ranked_key *ranked = arena_need(arena, (size_t)count, sizeof(*ranked));

    for (int32_t i = 0; i < count; i++) {
        ranked[i] = (struct ranked_key){.key = keys[i], .index = i};
    }
    qsort(ranked, (size_t)count, sizeof(*ranked), ranked_order);
    for (int32_t i = 1; i < count; i++) {
        if (key_order(&ranked[i - 1], &ranked[i]) == 0) {
            repeats[ranked[i].index] = REPEAT_LATER;
            if (repeats[ranked[i - 1].index] == REPEAT_NONE) {
                repeats[ranked[i - 1].index] = REPEAT_FIRST;
            }
        }
    }
    return repeats;
}
