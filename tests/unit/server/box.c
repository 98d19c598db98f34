/* A storage node without controllers. */
#include "tests/unit/server/box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/config/node_config.h"
#include "storage-node/cluster/directories.h"
#include "storage-node/replica/topic_log.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/topic_wish.h"
#include "tests/unit/rpc/frames.h"

#include <stdio.h>

static uint64_t box_random(void *context)
{
    return env_random(context);
}

static void on_directory_failed(void *context, uint16_t directory, enum status status)
{
    (void)context;
    (void)directory;
    (void)status;
}

static void on_opened(void *context, struct partition *partition, enum status status)
{
    (void)context;
    (void)partition;
    assert_int_equal(status, STATUS_OK);
}

/* Nobody is at the other end. */
static enum status on_cluster_id(void *context, struct string cluster_id)
{
    (void)context;
    (void)cluster_id;
    return STATUS_INVALID;
}

static void on_image(void *context, struct image *image)
{
    (void)context;
    (void)image;
}

static void on_registered(void *context, int64_t broker_epoch)
{
    (void)context;
    (void)broker_epoch;
}

static void on_fenced(void *context, bool fenced)
{
    (void)context;
    (void)fenced;
}

static void on_may_stop(void *context)
{
    (void)context;
}

static void on_refused(void *context, const char *why)
{
    (void)context;
    (void)why;
}

static const struct controller_link_handler LINK_HANDLER = {.cluster_id = on_cluster_id,
                                                            .image = on_image,
                                                            .registered = on_registered,
                                                            .fenced = on_fenced,
                                                            .may_stop = on_may_stop,
                                                            .refused = on_refused};

static void box_init_shard(struct box *box, uint32_t index)
{
    struct shard *shard = &box->shards[index];
    struct env *env = world_env(&box->world, index);
    const struct replica_set_options replicas = {.env = env,
                                                 .files_open_max = 100,
                                                 .check_interval_ns = 300 * NS_PER_SECOND,
                                                 .directory_failed = on_directory_failed,
                                                 .opened = on_opened};
    struct rpc_server_options server = {.service = shard,
                                        .frame_size_max = 10 * 1024 * 1024,
                                        .requests_in_flight_max = 128,
                                        .receive_bytes_max = 64 * 1024 * 1024};

    server.routes = node_routes(&server.route_count);
    *shard = (struct shard){.service = &box->service,
                            .env = env,
                            .index = index,
                            .count = BOX_LOOPS,
                            .node_id = BOX_NODE,
                            .image = image_ref(box->maker.image)};
    list_init(&shard->producer_ids.waiting);
    conversions_init(&shard->conversions, env);
    wakes_init(&shard->wakes, env);
    replica_set_init(&shard->replicas, &replicas);
    shard->server = rpc_server_create(env, &server);
    fetch_session_cache_init(&shard->sessions, 10, index + 1);
}

void box_init(struct box *box)
{
    static const char *const SETTINGS[] = {"node.id=1", "controller.quorum.voters=1@localhost:9093", "log.dirs=/a,/b"};
    struct string paths[] = {STRING("/a"), STRING("/b")};
    struct config_problem problem;
    char text[512];

    *box = (struct box){.listeners = {STRING("PLAINTEXT"), STRING("OTHER")}};
    world_init(&box->world);
    memory_disk_init(&box->disk, 1);
    world_set_disk(&box->world, &box->disk.disk);
    image_maker_init(&box->maker);
    assert_int_equal(config_read(node_config_schema(), &(struct config_inputs){.settings = SETTINGS,
                                                                               .setting_count = 3},
                                 &box->config, &problem),
                     STATUS_OK);
    box->service = (struct service){.shards = box->shards,
                                    .shard_count = BOX_LOOPS,
                                    .node_id = BOX_NODE,
                                    .cluster_id = "the-cluster",
                                    .config = box->config,
                                    .listener_names = box->listeners,
                                    .listener_count = 2};
    map_init(&box->service.topics_asked);
    assert_int_equal(directories_open(&(struct directories_options){.disk = &box->disk.disk,
                                                                    .paths = paths,
                                                                    .count = 2,
                                                                    .node_id = BOX_NODE,
                                                                    .cluster_id = STRING("the-cluster"),
                                                                    .random = box_random,
                                                                    .random_context = world_env(&box->world, 0)},
                                      &box->service.directories, text),
                     STATUS_OK);
    box->controller = (struct controller_link_listener){.host = STRING("nowhere"), .port = 1};
    box->link_options = (struct controller_link_options){.env = world_env(&box->world, 0),
                                                         .node_id = BOX_NODE,
                                                         .controllers = &box->controller,
                                                         .controller_count = 1,
                                                         .cluster_id = STRING("the-cluster"),
                                                         .heartbeat_ms = 2000,
                                                         .request_timeout_ms = 30000,
                                                         .retry_backoff_ms = 20};
    box->service.link = controller_link_create(&box->link_options, &LINK_HANDLER, box);
    for (uint32_t i = 0; i < BOX_LOOPS; i++) {
        box_init_shard(box, i);
    }
}

static void on_stopped(void *context)
{
    ((struct box *)context)->stopped++;
}

void box_deinit(struct box *box)
{
    box->world.hold_jobs = false;
    for (uint32_t i = 0; i < BOX_LOOPS; i++) {
        replica_set_stop(&box->shards[i].replicas);
        rpc_server_stop(box->shards[i].server, on_stopped, box);
    }
    controller_link_stop(box->service.link, on_stopped, box);
    world_run(&box->world);
    assert_int_equal(box->stopped, BOX_LOOPS + 1);
    controller_link_destroy(box->service.link);
    for (uint32_t i = 0; i < BOX_LOOPS; i++) {
        struct shard *shard = &box->shards[i];

        assert_true(replica_set_settled(&shard->replicas));
        replica_set_detach(&shard->replicas);
        replica_set_shutdown(&shard->replicas);
        rpc_server_destroy(shard->server);
        fetch_session_cache_deinit(&shard->sessions);
        wakes_deinit(&shard->wakes);
        conversions_deinit(&shard->conversions);
        replica_set_deinit(&shard->replicas);
        image_unref(shard->image);
    }
    topic_wishes_free(&box->service);
    directories_close(box->service.directories);
    config_destroy(box->config);
    image_maker_deinit(&box->maker);
    world_run(&box->world);
    world_deinit(&box->world);
    memory_disk_deinit(&box->disk);
}

static void box_open(struct box *box, const struct topic_image *topic, int32_t index, const struct partition_image *row)
{
    const struct uuid id = topic_image_id(topic);
    struct shard *shard = &box->shards[shard_of(&box->shards[0], id, index)];
    const struct topic_config_sources sources = {.image = box->maker.image,
                                                 .config = box->config,
                                                 .broker_id = BOX_NODE,
                                                 .topic = topic_image_name(topic)};
    struct directory_place place;
    struct topic_config config;
    struct log_config log;
    struct arena arena;

    if (replica_set_find(&shard->replicas, id, index) != NULL) {
        return;
    }
    arena_init(&arena, 1 << 20);
    assert_true(directories_place(box->service.directories, &arena, id, topic_image_name(topic), index, &place));
    topic_config_effective(&sources, &config);
    topic_log_config(&config, 1000000, &log);
    replica_set_open(&shard->replicas, &(struct replica_options){.topic_id = id,
                                                                 .topic = topic_image_name(topic),
                                                                 .config = &config,
                                                                 .log = &log,
                                                                 .partition = index,
                                                                 .leader = true,
                                                                 .leader_epoch = row->leader_epoch,
                                                                 .directory = place.directory,
                                                                 .path = place.path});
    arena_deinit(&arena);
}

void box_apply(struct box *box)
{
    maker_apply(&box->maker);
    for (uint32_t i = 0; i < BOX_LOOPS; i++) {
        image_unref(box->shards[i].image);
        box->shards[i].image = image_ref(box->maker.image);
    }
    for (size_t i = 0; i < image_topic_count(box->maker.image); i++) {
        const struct topic_image *topic = image_topic_at(box->maker.image, i);

        for (int32_t j = 0; j < topic_image_partition_count(topic); j++) {
            struct partition_image row;

            if (topic_image_partition(topic, j, &row) && row.leader == BOX_NODE) {
                box_open(box, topic, j, &row);
            }
        }
    }
    world_run(&box->world);
}

struct partition *box_partition(struct box *box, uint8_t topic, int32_t index)
{
    const struct uuid id = maker_topic_id(topic);

    return replica_set_find(&box->shards[shard_of(&box->shards[0], id, index)].replicas, id, index);
}

struct fake_stream *box_connect(struct box *box, uint32_t listener)
{
    rpc_server_adopt(box->shards[0].server, world_accept(&box->world), listener, NULL);
    return box->world.adopted;
}

void box_send(struct box *box, struct fake_stream *stream, int16_t key, int16_t version, const void *request)
{
    struct buffer frames;

    (void)box;
    buffer_init(&frames);
    frame_request(&frames, key, version, 42, request);
    stream_push(stream, frames.data, frames.size);
    buffer_deinit(&frames);
}

bool box_take(struct fake_stream *stream, int16_t key, int16_t version, struct arena *arena, void *response)
{
    struct bytes frame;
    size_t at = 0;

    if (!frame_next(&stream->out, &at, &frame)) {
        return false;
    }
    assert_int_equal(frame_correlation_id(frame), 42);
    /* What is decoded borrows: it must outlive the stream's buffer. */
    frame.data = memcpy(arena_need(arena, frame.size, 1), frame.data, frame.size);
    assert_true(frame_decode(frame, key, version, arena, response));
    memmove(stream->out.data, stream->out.data + at, stream->out.size - at);
    stream->out.size -= at;
    return true;
}

void box_ask(struct box *box, struct fake_stream *stream, int16_t key, int16_t version, const void *request,
             struct arena *arena, void *response)
{
    box_send(box, stream, key, version, request);
    world_run(&box->world);
    if (!box_take(stream, key, version, arena, response)) {
        fail_msg("no answer to %s %d", api_find(key)->name, version);
    }
}
