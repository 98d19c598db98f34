/* Record batches for tests of a storage node. */
#include "tests/unit/server/batches.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

struct space batch_make(const struct batch_recipe *recipe)
{
    struct batch_options options = batch_options_default();
    const size_t value_size = recipe->value_size > 0 ? recipe->value_size : 10;
    uint8_t *value = memory_alloc(value_size);
    struct batch_builder builder;
    struct space made;

    memset(value, 'v', value_size);
    options.compression = recipe->compression;
    options.compression_level = compression_level_default(recipe->compression);
    if (recipe->producer_id != 0) {
        options.producer_id = recipe->producer_id;
        options.producer_epoch = 0;
        options.base_sequence = recipe->sequence;
    }
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < (recipe->records > 0 ? recipe->records : 1); i++) {
        const struct record_draft draft = {.timestamp = recipe->timestamp,
                                           .key = recipe->no_key ? BYTES_NULL : bytes_of("key", 3),
                                           .value = bytes_of(value, value_size)};
        const enum status status = batch_builder_append(&builder, &draft);

        ASSERT(status == STATUS_OK);
    }
    made = batch_builder_finish(&builder);
    made.data = memory_copy(made.data, made.size);
    batch_builder_deinit(&builder);
    memory_free(value);
    return made;
}
