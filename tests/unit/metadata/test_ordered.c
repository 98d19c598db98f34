/* The shared ordered set against a model: a plain array of flags per copy. */
#include "tests/unit/metadata/fixture.h"

#include "common/base/memory.h"
#include "common/base/prng.h"
#include "common/metadata/ordered.h"

#define KEYS 3000
#define COPIES 4

struct number {
    struct counted counted;
    int32_t key;
    int32_t value;
};

static int live_numbers;

static struct number *number_create(int32_t key, int32_t value)
{
    struct number *number = memory_alloc(sizeof(*number));

    counted_init(&number->counted);
    number->key = key;
    number->value = value;
    live_numbers++;
    return number;
}

static const void *number_key(const void *item)
{
    return &((const struct number *)item)->key;
}

static int number_compare(const void *item, const void *key)
{
    const int32_t a = ((const struct number *)item)->key;
    const int32_t b = *(const int32_t *)key;

    return (a > b) - (a < b);
}

static void *number_clone(const void *item)
{
    const struct number *number = item;

    return number_create(number->key, number->value);
}

static void number_destroy(void *item)
{
    live_numbers--;
    memory_free(item);
}

static const struct ordered_type numbers = {number_key, number_compare, number_clone, number_destroy};

/* value 0: not there */
struct model {
    struct ordered set;
    int32_t values[KEYS];
};

static void model_check(const struct model *model)
{
    size_t index = 0;

    for (int32_t key = 0; key < KEYS; key++) {
        const struct number *number = ordered_find(&model->set, &key);

        assert_int_equal(ordered_lower_bound(&model->set, &key), index);
        if (model->values[key] == 0) {
            assert_null(number);
            continue;
        }
        assert_non_null(number);
        assert_int_equal(number->value, model->values[key]);
        assert_ptr_equal(ordered_at(&model->set, index), number);
        index++;
    }
    assert_int_equal(model->set.count, index);
}

/* Every difference between two sets is reported once, in order, and nothing else. */
static void walk_check(const struct model *before, const struct model *after)
{
    struct ordered_walk walk;
    void *a;
    void *b;
    int32_t key = 0;

    ordered_walk_init(&walk, &before->set, &after->set);
    while (ordered_walk_next(&walk, &a, &b)) {
        const struct number *number = a != NULL ? a : b;

        for (; key < number->key; key++) {
            assert_int_equal(before->values[key], after->values[key]);
        }
        assert_int_equal(a != NULL ? ((const struct number *)a)->value : 0, before->values[key]);
        assert_int_equal(b != NULL ? ((const struct number *)b)->value : 0, after->values[key]);
        key++;
    }
    for (; key < KEYS; key++) {
        assert_int_equal(before->values[key], after->values[key]);
    }
}

static void model_change(struct model *model, struct prng *prng)
{
    const int32_t key = (int32_t)prng_below(prng, KEYS);
    const int32_t value = 1 + (int32_t)prng_below(prng, 1000);

    if (prng_below(prng, 3) == 0) {
        assert_int_equal(ordered_remove(&model->set, &key), model->values[key] != 0);
        model->values[key] = 0;
    } else if (model->values[key] != 0) {
        ((struct number *)ordered_own(&model->set, &key))->value = value;
        model->values[key] = value;
    } else {
        assert_null(ordered_own(&model->set, &key));
        ordered_insert(&model->set, number_create(key, value));
        model->values[key] = value;
    }
}

static void copies_never_see_each_others_changes(void **state)
{
    struct model *models = memory_alloc_zero(COPIES, sizeof(*models));
    struct prng prng;

    (void)state;
    prng_init(&prng, 42);
    for (int i = 0; i < COPIES; i++) {
        ordered_init(&models[i].set, &numbers);
    }
    for (int round = 0; round < 60; round++) {
        const size_t from = prng_below(&prng, COPIES);
        const size_t to = prng_below(&prng, COPIES);

        for (int i = 0; i < 400; i++) {
            model_change(&models[prng_below(&prng, COPIES)], &prng);
        }
        if (from != to) {
            ordered_deinit(&models[to].set);
            ordered_copy(&models[to].set, &models[from].set);
            memcpy(models[to].values, models[from].values, sizeof(models[to].values));
        }
        if (round % 10 == 9) {
            for (int i = 0; i < COPIES; i++) {
                model_check(&models[i]);
                walk_check(&models[i], &models[(i + 1) % COPIES]);
            }
        }
    }
    for (int i = 0; i < COPIES; i++) {
        ordered_deinit(&models[i].set);
    }
    assert_int_equal(live_numbers, 0);
    memory_free(models);
}

static void an_item_that_nobody_shares_is_changed_in_place(void **state)
{
    struct ordered set;
    struct ordered copy;
    const int32_t key = 5;
    struct number *number = number_create(key, 1);

    (void)state;
    ordered_init(&set, &numbers);
    ordered_insert(&set, number);
    assert_ptr_equal(ordered_own(&set, &key), number);
    ordered_copy(&copy, &set);
    assert_ptr_not_equal(ordered_own(&set, &key), number);
    assert_ptr_equal(ordered_find(&copy, &key), number);
    ordered_deinit(&copy);
    ordered_deinit(&set);
    assert_int_equal(live_numbers, 0);
}

int run_ordered_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_never_see_each_others_changes),
        cmocka_unit_test(an_item_that_nobody_shares_is_changed_in_place),
    };

    return cmocka_run_group_tests_name("ordered", tests, NULL, NULL);
}
