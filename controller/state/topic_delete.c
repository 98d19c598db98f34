/* DeleteTopics (KIP-516: also by id), as a decision. */
#include "controller/state/topic_table.h"

#include "controller/state/repeats.h"

#include "wire/delete_topics.h"

/* Versions before this one do not know TOPIC_DELETION_DISABLED. */
#define VERSION_WITH_DISABLED 3
#define VERSION_WITH_IDS 6

/* One item of the request: by name, or by id if the name is null. */
struct target {
    struct string name;
    struct uuid id;
    const struct topic_image *topic; /* NULL: there is none */
};

struct deletion {
    const struct decision *decision;
    int16_t version;
    struct target *targets;
    int32_t count;
};

static void fail(struct delete_topics_response_responses *row, enum kafka_error error, struct string text)
{
    row->error_code = (int16_t)error;
    row->error_message = text;
}

static void delete_one(const struct deletion *deletion, const struct target *target, bool repeated,
                       struct delete_topics_response_responses *row)
{
    const struct decision *decision = deletion->decision;
    struct remove_topic_record *record;

    delete_topics_response_responses_init(row);
    row->name = target->name;
    row->topic_id = target->id;
    if (repeated || (target->name.data != NULL) != uuid_is_zero(target->id)) {
        fail(row, ERROR_INVALID_REQUEST, STRING("Each topic is to be named once, by its name or by its id."));
        return;
    }
    if (!config_boolean(decision->config, "delete.topic.enable")) {
        fail(row, deletion->version < VERSION_WITH_DISABLED ? ERROR_INVALID_REQUEST : ERROR_TOPIC_DELETION_DISABLED,
             STRING("Deleting topics is switched off (delete.topic.enable)."));
        return;
    }
    if (target->topic == NULL) {
        fail(row, target->name.data != NULL ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_UNKNOWN_TOPIC_ID,
             STRING("There is no such topic."));
        return;
    }
    row->name = topic_image_name(target->topic);
    row->topic_id = topic_image_id(target->topic);
    record = record_list_add(decision->records, METADATA_REMOVE_TOPIC_RECORD);
    record->topic_id = row->topic_id;
}

static void find_targets(struct deletion *deletion, const struct delete_topics_request *request)
{
    const struct image *image = deletion->decision->image;
    const bool with_ids = deletion->version >= VERSION_WITH_IDS;

    deletion->count = with_ids ? request->topics_count : request->topic_names_count;
    deletion->targets = arena_need(deletion->decision->arena, (size_t)deletion->count, sizeof(*deletion->targets));
    for (int32_t i = 0; i < deletion->count; i++) {
        struct target *target = &deletion->targets[i];

        target->name = with_ids ? request->topics[i].name : request->topic_names[i];
        target->id = with_ids ? request->topics[i].topic_id : UUID_ZERO;
        target->topic = target->name.data != NULL ? image_topic_by_name(image, target->name)
                                                  : image_topic_by_id(image, target->id);
    }
}

/* One topic may be named once by its name and once by its id: that counts as repeated too. */
static const enum repeat *find_repeats(const struct deletion *deletion)
{
    struct arena *arena = deletion->decision->arena;
    struct bytes *keys = arena_need(arena, (size_t)deletion->count, sizeof(*keys));

    for (int32_t i = 0; i < deletion->count; i++) {
        const struct target *target = &deletion->targets[i];

        if (target->topic != NULL) {
            keys[i] = bytes_of_string(topic_image_name(target->topic));
        } else if (target->name.data != NULL) {
            keys[i] = bytes_of_string(target->name);
        } else {
            keys[i] = bytes_of(target->id.data, sizeof(target->id.data));
        }
    }
    return repeats_find(keys, deletion->count, arena);
}

void topic_table_delete(const struct decision *decision, int16_t version, const struct delete_topics_request *request,
                        struct delete_topics_response *response)
{
    struct deletion deletion = {.decision = decision, .version = version};
    const enum repeat *repeats;

    find_targets(&deletion, request);
    repeats = find_repeats(&deletion);
    delete_topics_response_init(response);
    response->responses = arena_need(decision->arena, (size_t)deletion.count, sizeof(*response->responses));
    response->responses_count = deletion.count;
    for (int32_t i = 0; i < deletion.count; i++) {
        delete_one(&deletion, &deletion.targets[i], repeats[i] != REPEAT_NONE, &response->responses[i]);
    }
}
