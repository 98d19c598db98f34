/* Something that every loop does once. */
#include "storage-node/server/round.h"

#include "common/base/memory.h"
#include "storage-node/server/service.h"

struct round_visit {
    struct env_message message;
    struct round *round;
    struct shard *shard;
};

static void round_report(struct env_message *message)
{
    struct round *round = CONTAINER_OF(message, struct round_visit, message)->round;

    round->pending--;
    if (round->pending == 0) {
        round->finish(round);
    }
}

static void round_arrive(struct env_message *message)
{
    struct round_visit *visit = CONTAINER_OF(message, struct round_visit, message);

    visit->round->each(visit->shard, visit->round);
}

void round_start(struct service *service, void (*each)(struct shard *shard, struct round *round),
                 void (*finish)(struct round *round), void *context)
{
    struct round *round = memory_alloc_zero(1, sizeof(*round));
    const uint32_t count = service->shard_count;

    *round = (struct round){.service = service, .context = context, .each = each, .finish = finish, .pending = count};
    round->visits = memory_alloc_zero(count, sizeof(*round->visits));
    for (uint32_t i = 0; i < count; i++) {
        struct round_visit *visit = &round->visits[i];

        visit->round = round;
        visit->shard = &service->shards[i];
        visit->message.deliver = round_arrive;
    }
    /* The first loop's share last and by message too: rounds that are started one after the other stay in order
     * everywhere. */
    for (uint32_t i = 0; i < count; i++) {
        env_post(service->shards[i].env, &round->visits[i].message);
    }
}

void round_done(struct shard *shard, struct round *round)
{
    struct round_visit *visit = &round->visits[shard->index];

    visit->message.deliver = round_report;
    env_post(round->service->shards[0].env, &visit->message);
}

void round_destroy(struct round *round)
{
    memory_free(round->visits);
    memory_free(round);
}
