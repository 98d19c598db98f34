/* Three controllers in the simulator, under crashes, power cuts, pauses and partitions, while an administrator creates
 * and deletes topics and registers nodes, each through whichever controller he happens to ask. Afterwards:
 *
 *     1. all controllers have the same image at the same offset
 *     2. a topic whose creation was acknowledged exists, unless its deletion was attempted
 *     3. a topic whose creation was answered with NOT_CONTROLLER does not exist: that error is a promise
 *     4. a topic whose deletion was acknowledged does not exist
 *     5. no two registrations were told the same epoch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/config/controller_config.h"
#include "common/metadata/image.h"
#include "common/rpc/client.h"
#include "common/wire/error.h"
#include "controller/controller.h"
#include "tests/sim/sim.h"

#include "wire/broker_heartbeat.h"
#include "wire/broker_registration.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"

#include <stdio.h>
#include <stdlib.h>

#define VOTERS 3
#define PORT 9093
#define TOPICS_MAX 4096
#define EPOCHS_MAX 4096
#define BROKERS 4
#define CHAOS_NS (40 * NS_PER_SECOND)
#define CALM_NS (20 * NS_PER_SECOND)

enum fate { FATE_NONE, FATE_TRIED, FATE_CREATED, FATE_REFUSED, FATE_DELETE_TRIED, FATE_DELETED };

struct voter {
    struct chaos *chaos;
    int index;
    struct sim_program program;
    struct sim_process *process;
    struct controller *controller; /* of the running incarnation */
};

struct chaos {
    struct sim_world *world;
    struct config *config;
    struct voter voters[VOTERS];
    struct sim_program admin_program;
    struct sim_process *admin;
    bool calm;

    /* What the administrator was told. */
    enum fate topics[TOPICS_MAX];
    int topic_count;
    int64_t epochs[EPOCHS_MAX];
    int epoch_count;
    int64_t broker_epochs[BROKERS];
    uint64_t operations;
    uint64_t acknowledged;
};

/* A voter's process. */

static void voter_failed(void *context, const char *what, enum status why)
{
    const struct voter *voter = context;

    sim_fail(voter->chaos->world, "controller %d: %s: %s", voter->index, what, status_text(why));
}

static enum status voter_start(struct sim_process *process, void *context)
{
    struct voter *voter = context;
    struct controller_options options = {
        .id = voter->index,
        .voter_count = VOTERS,
        .cluster_id = {{1, 2, 3}},
        .listener_name = "CONTROLLER",
        .listener_count = 1,
        .listeners = {{.host = "", .port = PORT}},
        .directory = "/data",
        .config = voter->chaos->config,
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .broker_session_timeout_ms = 3000,
        .snapshot_bytes = 20000,
        .log_bytes_max = 1 << 20,
        .request_timeout_ms = 3000,
        .frame_size_max = 1 << 20,
        .receive_bytes_max = 16 << 20,
        .connections_max = 100,
        .connections_per_address_max = UINT32_MAX,
        .fatal = voter_failed,
        .context = voter,
    };
    struct config_problem problem = {""};
    enum status status;

    for (int i = 0; i < VOTERS; i++) {
        options.voters[i].id = i;
        options.voters[i].port = PORT;
        snprintf(options.voters[i].host, sizeof(options.voters[i].host), "controller-%d", i);
    }
    voter->controller = NULL;
    status = controller_create(sim_env(process, 0), &options, &voter->controller, &problem);
    if (status == STATUS_OK) {
        status = controller_start(voter->controller, &problem);
    }
    if (status != STATUS_OK) {
        sim_fail(voter->chaos->world, "controller %d does not start: %s", voter->index, problem.text);
    }
    return status;
}

/* The administrator's process: one operation after the other. */

struct admin {
    struct chaos *chaos;
    struct env *env;
    struct rpc_client *client;
    bool open;
    struct rpc_call call;
    bool called;
    struct env_timer timer;
    int topic;  /* of the operation; -1: none */
    bool deletes;
    int broker; /* likewise */
};

static void admin_next(void *context);

static void admin_later(struct admin *admin)
{
    env_timer_start(admin->env, &admin->timer, sim_between(admin->chaos->world, NS_PER_MS, 60 * NS_PER_MS));
}

static void admin_opened(void *context, struct rpc_client *client)
{
    (void)client;
    ((struct admin *)context)->open = true;
}

static void admin_closed(void *context, struct rpc_client *client, enum status why)
{
    struct admin *admin = context;

    (void)client;
    (void)why;
    admin->client = NULL;
    admin->open = false;
}

static const struct rpc_client_handler ADMIN_HANDLER = {.opened = admin_opened, .closed = admin_closed};

static void admin_judge_topic(struct admin *admin, int16_t error)
{
    enum fate *fate = &admin->chaos->topics[admin->topic];

    admin->chaos->acknowledged += error == ERROR_NONE ? 1 : 0;
    if (admin->deletes) {
        *fate = error == ERROR_NONE ? FATE_DELETED : *fate;
    } else if (error == ERROR_NONE) {
        *fate = FATE_CREATED;
    } else if (error == ERROR_NOT_CONTROLLER || error == ERROR_INVALID_REPLICATION_FACTOR) {
        *fate = FATE_REFUSED;
    }
}

static void admin_answered(struct rpc_call *call)
{
    struct admin *admin = call->context;
    struct chaos *chaos = admin->chaos;

    if (call->status == STATUS_OK && call->key == API_CREATE_TOPICS) {
        admin_judge_topic(admin, ((const struct create_topics_response *)call->response)->topics[0].error_code);
    } else if (call->status == STATUS_OK && call->key == API_DELETE_TOPICS) {
        admin_judge_topic(admin, ((const struct delete_topics_response *)call->response)->responses[0].error_code);
    } else if (call->status == STATUS_OK && call->key == API_BROKER_REGISTRATION) {
        const struct broker_registration_response *response = call->response;

        if (response->error_code == ERROR_NONE && chaos->epoch_count < EPOCHS_MAX) {
            chaos->epochs[chaos->epoch_count++] = response->broker_epoch;
            chaos->broker_epochs[admin->broker] = response->broker_epoch;
            chaos->acknowledged++;
        }
    }
    admin_later(admin);
}

static void admin_call(struct admin *admin, int16_t key, int16_t version, const void *request)
{
    if (admin->called) {
        rpc_call_deinit(&admin->call);
    }
    admin->called = true;
    admin->chaos->operations++;
    rpc_call_init(&admin->call, admin_answered, admin);
    rpc_client_call(admin->client, &admin->call, key, version, request, 4000);
}

static void admin_create(struct admin *admin)
{
    struct create_topics_request_topics topic;
    struct create_topics_request request;
    char name[32];

    admin->topic = admin->chaos->topic_count++;
    admin->deletes = false;
    admin->chaos->topics[admin->topic] = FATE_TRIED;
    snprintf(name, sizeof(name), "topic-%d", admin->topic);
    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    topic.name = string_of(name);
    topic.num_partitions = 1 + admin->topic % 7;
    topic.replication_factor = 1;
    request.topics_count = 1;
    request.topics = &topic;
    admin_call(admin, API_CREATE_TOPICS, 7, &request);
}

static void admin_delete(struct admin *admin)
{
    struct delete_topics_request_topics topic;
    struct delete_topics_request request;
    char name[32];

    admin->topic = (int)prng_below(sim_prng(admin->chaos->world), (uint64_t)admin->chaos->topic_count);
    if (admin->chaos->topics[admin->topic] != FATE_CREATED) {
        admin_later(admin);
        return;
    }
    admin->deletes = true;
    admin->chaos->topics[admin->topic] = FATE_DELETE_TRIED;
    snprintf(name, sizeof(name), "topic-%d", admin->topic);
    delete_topics_request_init(&request);
    delete_topics_request_topics_init(&topic);
    topic.name = string_of(name);
    request.topics_count = 1;
    request.topics = &topic;
    admin_call(admin, API_DELETE_TOPICS, 6, &request);
}

static void admin_register(struct admin *admin)
{
    struct broker_registration_request_listeners listener;
    struct broker_registration_request_features feature;
    struct broker_registration_request request;
    char cluster_id[UUID_TEXT_SIZE + 1];
    struct uuid dir = {{0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 1, (uint8_t)admin->broker}};

    broker_registration_request_init(&request);
    broker_registration_request_listeners_init(&listener);
    broker_registration_request_features_init(&feature);
    listener.name = STRING("PLAINTEXT");
    listener.host = STRING("node");
    listener.port = 9092;
    feature.name = STRING("metadata.version");
    feature.min_supported_version = 1;
    feature.max_supported_version = 100;
    request.broker_id = admin->broker;
    request.cluster_id = string_of(uuid_format((struct uuid){{1, 2, 3}}, cluster_id));
    /* A new process each time, so that each registration has an epoch of its own. */
    prng_next(sim_prng(admin->chaos->world));
    for (size_t i = 0; i < sizeof(request.incarnation_id.data); i++) {
        request.incarnation_id.data[i] = (uint8_t)prng_below(sim_prng(admin->chaos->world), 256);
    }
    request.listeners_count = 1;
    request.listeners = &listener;
    request.features_count = 1;
    request.features = &feature;
    request.log_dirs_count = 1;
    request.log_dirs = &dir;
    admin_call(admin, API_BROKER_REGISTRATION, 4, &request);
}

static void admin_heartbeat(struct admin *admin)
{
    struct broker_heartbeat_request request;

    broker_heartbeat_request_init(&request);
    request.broker_id = admin->broker;
    request.broker_epoch = admin->chaos->broker_epochs[admin->broker];
    request.current_metadata_offset = request.broker_epoch;
    admin_call(admin, API_BROKER_HEARTBEAT, 1, &request);
}

static void admin_connect(struct admin *admin)
{
    char host[32];

    snprintf(host, sizeof(host), "controller-%d", (int)prng_below(sim_prng(admin->chaos->world), VOTERS));
    admin->client = rpc_client_open(admin->env,
                                    &(struct rpc_client_options){.host = host,
                                                                 .port = PORT,
                                                                 .client_id = "admin",
                                                                 .connect_timeout_ms = 1000,
                                                                 .response_size_max = 1 << 20},
                                    &ADMIN_HANDLER, admin);
}

static void admin_next(void *context)
{
    struct admin *admin = context;
    struct chaos *chaos = admin->chaos;
    const uint64_t choice = prng_below(sim_prng(chaos->world), 100);

    if (admin->client == NULL) {
        admin_connect(admin);
    }
    if (!admin->open) {
        admin_later(admin);
        return;
    }
    admin->broker = (int)prng_below(sim_prng(chaos->world), BROKERS);
    if (choice < 5) {
        rpc_client_close(admin->client);
        admin->open = false;
        admin_later(admin);
    } else if (choice < 45 && chaos->topic_count < TOPICS_MAX) {
        admin_create(admin);
    } else if (choice < 60 && chaos->topic_count > 0) {
        admin_delete(admin);
    } else if (choice < 65 || chaos->broker_epochs[admin->broker] < 0) {
        admin_register(admin);
    } else {
        admin_heartbeat(admin);
    }
}

static enum status admin_start(struct sim_process *process, void *context)
{
    struct admin *admin = memory_alloc_zero(1, sizeof(*admin));

    admin->chaos = context;
    admin->env = sim_env(process, 0);
    env_timer_init(&admin->timer, admin_next, admin);
    admin_later(admin);
    return STATUS_OK;
}

/* The nemesis. */

static void nemesis(void *context)
{
    struct chaos *chaos = context;
    struct voter *voter = &chaos->voters[prng_below(sim_prng(chaos->world), VOTERS)];

    if (chaos->calm) {
        return;
    }
    switch (prng_below(sim_prng(chaos->world), 8)) {
    case 0:
    case 1:
        sim_process_crash(voter->process, SIM_KILL);
        voter->controller = NULL;
        break;
    case 2:
        sim_process_crash(voter->process, SIM_POWER_CUT);
        voter->controller = NULL;
        break;
    case 3:
        if (sim_process_running(voter->process)) {
            sim_process_pause(voter->process);
        }
        break;
    case 4:
        sim_isolate(voter->process, true);
        break;
    case 5:
        sim_heal(chaos->world);
        break;
    default:
        for (int i = 0; i < VOTERS; i++) {
            sim_process_resume(chaos->voters[i].process);
            if (!sim_process_running(chaos->voters[i].process) && !sim_process_starting(chaos->voters[i].process)) {
                sim_process_start(chaos->voters[i].process);
            }
        }
        break;
    }
    sim_at(chaos->world, sim_between(chaos->world, 50 * NS_PER_MS, 3 * NS_PER_SECOND), nemesis, chaos);
}

static void calm_down(struct chaos *chaos)
{
    chaos->calm = true;
    sim_heal(chaos->world);
    for (int i = 0; i < VOTERS; i++) {
        sim_process_resume(chaos->voters[i].process);
        if (!sim_process_running(chaos->voters[i].process) && !sim_process_starting(chaos->voters[i].process)) {
            sim_process_start(chaos->voters[i].process);
        }
    }
    sim_run_for(chaos->world, CALM_NS);
    sim_process_crash(chaos->admin, SIM_KILL);
    sim_run_for(chaos->world, CALM_NS);
}

static void check_topics(struct chaos *chaos, const struct image *image)
{
    for (int i = 0; i < chaos->topic_count; i++) {
        char name[32];
        bool exists;

        snprintf(name, sizeof(name), "topic-%d", i);
        exists = image_topic_by_name(image, string_of(name)) != NULL;
        if ((chaos->topics[i] == FATE_CREATED && !exists) ||
            ((chaos->topics[i] == FATE_REFUSED || chaos->topics[i] == FATE_DELETED) && exists)) {
            sim_fail(chaos->world, "%s: fate %d, exists %d", name, (int)chaos->topics[i], (int)exists);
        }
    }
}

static void check(struct chaos *chaos)
{
    const struct image *first = controller_image(chaos->voters[0].controller);

    for (int i = 1; i < VOTERS; i++) {
        const struct image *other = controller_image(chaos->voters[i].controller);

        if (image_offset(other) != image_offset(first) || image_hash(other) != image_hash(first)) {
            sim_fail(chaos->world, "controller %d is at %lld, controller 0 at %lld, or their images differ", i,
                     (long long)image_offset(other), (long long)image_offset(first));
        }
    }
    check_topics(chaos, first);
    for (int i = 0; i < chaos->epoch_count; i++) {
        for (int k = i + 1; k < chaos->epoch_count; k++) {
            if (chaos->epochs[i] == chaos->epochs[k]) {
                sim_fail(chaos->world, "two registrations with epoch %lld", (long long)chaos->epochs[i]);
            }
        }
    }
}

static void run(uint64_t seed)
{
    static const char *const settings[] = {"node.id=0", "controller.quorum.voters=0@localhost:9093"};
    struct chaos *chaos = memory_alloc_zero(1, sizeof(*chaos));
    struct config_problem problem;

    assert_int_equal(config_read(controller_config_schema(),
                                 &(struct config_inputs){.settings = settings, .setting_count = 2}, &chaos->config,
                                 &problem),
                     STATUS_OK);
    chaos->world = sim_world_create(&(struct sim_options){.seed = seed, .narrate = getenv("SIM_NARRATE") != NULL});
    for (int i = 0; i < VOTERS; i++) {
        struct voter *voter = &chaos->voters[i];
        char name[32];

        *voter = (struct voter){.chaos = chaos, .index = i};
        voter->program = (struct sim_program){.start = voter_start, .context = voter};
        snprintf(name, sizeof(name), "controller-%d", i);
        voter->process = sim_process_add(chaos->world, name, 1, &voter->program);
        sim_process_start(voter->process);
    }
    for (int i = 0; i < BROKERS; i++) {
        chaos->broker_epochs[i] = -1;
    }
    chaos->admin_program = (struct sim_program){.start = admin_start, .context = chaos};
    chaos->admin = sim_process_add(chaos->world, "admin", 1, &chaos->admin_program);
    sim_process_start(chaos->admin);
    sim_run_for(chaos->world, 3 * NS_PER_SECOND);
    nemesis(chaos);
    sim_run_for(chaos->world, CHAOS_NS);
    calm_down(chaos);
    if (sim_failure(chaos->world) == NULL) {
        check(chaos);
    }
    if (sim_failure(chaos->world) != NULL) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, sim_failure(chaos->world));
    }
    if (chaos->acknowledged < 50) {
        fail_msg("seed %llu: only %llu of %llu operations succeeded", (unsigned long long)seed,
                 (unsigned long long)chaos->acknowledged, (unsigned long long)chaos->operations);
    }
    sim_world_destroy(chaos->world);
    config_destroy(chaos->config);
    memory_free(chaos);
}

static void controllers_keep_their_promises_under_faults(void **state)
{
    const char *only = getenv("SIM_SEED");
    const char *count = getenv("SIM_SEEDS");
    const uint64_t seeds = count != NULL ? strtoull(count, NULL, 10) : 4;

    (void)state;
    if (only != NULL) {
        run(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controllers_keep_their_promises_under_faults),
    };

    quorum_use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
