/* The simulated network: order, back-pressure, partitions, resets, crashes at either end. */
#include "tests/sim/chatter.h"
#include "tests/sim/test_world.h"

#define SEEDS 40
#define SIZE 200000

/* A server and a client on a world of their own. */
struct talk {
    struct sim_world *world;
    struct chatter_server server;
    struct chatter_client client;
    struct sim_process *server_process;
    struct sim_process *client_process;
};

static void talk_open(struct talk *talk, uint64_t seed, uint64_t size)
{
    talk->world = sim_world_create(&(struct sim_options){.seed = seed, .tcp_timeout_ns = 10 * NS_PER_SECOND});
    chatter_server_init(&talk->server);
    chatter_client_init(&talk->client, "server", size);
    talk->server_process = sim_process_add(talk->world, "server", 2, &talk->server.program);
    talk->client_process = sim_process_add(talk->world, "client", 1, &talk->client.program);
}

static void talk_start(struct talk *talk)
{
    sim_process_start(talk->server_process);
    sim_run_for(talk->world, 100 * NS_PER_MS);
    sim_process_start(talk->client_process);
}

static bool talk_is_done(void *context)
{
    const struct talk *talk = context;

    return talk->client.done;
}

static bool talk_is_half_done(void *context)
{
    const struct talk *talk = context;

    return talk->client.checked > talk->client.size / 2;
}

static bool talk_is_connected(void *context)
{
    const struct talk *talk = context;

    return talk->client.connections > 0;
}

static bool talk_was_closed(void *context)
{
    const struct talk *talk = context;

    return talk->client.closes > 0;
}

static void talk_close(struct talk *talk)
{
    assert_null(sim_failure(talk->world));
    sim_world_destroy(talk->world);
}

static void bytes_arrive_in_order_and_unchanged(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct talk talk;

        talk_open(&talk, seed, SIZE);
        talk_start(&talk);
        assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
        sim_run_for(talk.world, NS_PER_SECOND);
        assert_int_equal(talk.client.connections, 1);
        assert_int_equal(talk.client.last_close, STATUS_OK);
        assert_int_equal(talk.server.echoed, SIZE);
        assert_false(sim_process_running(talk.client_process));
        talk_close(&talk);
    }
}

static void losses_cost_time_and_nothing_else(void **state)
{
    uint64_t lossless_ns = 0;
    uint64_t lossy_ns = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        for (int lossy = 0; lossy < 2; lossy++) {
            struct sim_link_options link;
            struct talk talk;

            talk_open(&talk, seed, SIZE);
            sim_link_get(talk.client_process, talk.server_process, &link);
            link.loss_per_million = lossy ? 100000 : 0;
            sim_link_set(talk.client_process, talk.server_process, &link);
            talk_start(&talk);
            assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
            assert_int_equal(talk.client.connections, 1);
            *(lossy ? &lossy_ns : &lossless_ns) += sim_now_ns(talk.world);
            talk_close(&talk);
        }
    }
    assert_true(lossy_ns > 2 * lossless_ns);
}

static void corruption_is_seen_by_who_checks(void **state)
{
    struct sim_link_options link;
    struct talk talk;

    (void)state;
    talk_open(&talk, 1, SIZE);
    sim_link_get(talk.client_process, talk.server_process, &link);
    link.corrupt_per_million = 500000;
    sim_link_set(talk.client_process, talk.server_process, &link);
    talk_start(&talk);
    assert_false(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
    assert_non_null(sim_failure(talk.world));
    sim_world_destroy(talk.world);
}

static void a_short_partition_only_stalls(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct talk talk;
        uint64_t checked;

        talk_open(&talk, seed, SIZE);
        talk_start(&talk);
        assert_true(sim_run_until(talk.world, talk_is_half_done, &talk, 600 * NS_PER_SECOND));
        sim_partition(talk.client_process, talk.server_process, true);
        sim_run_for(talk.world, NS_PER_SECOND);
        checked = talk.client.checked;
        sim_run_for(talk.world, 3 * NS_PER_SECOND);
        assert_int_equal(talk.client.checked, checked);
        sim_heal(talk.world);
        assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
        assert_int_equal(talk.client.connections, 1);
        talk_close(&talk);
    }
}

static void a_long_partition_breaks_the_connection_and_the_next_one_works(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct talk talk;

        /* More than the systems hold for it at either end. */
        talk_open(&talk, seed, 8 * SIZE);
        talk_start(&talk);
        assert_true(sim_run_until(talk.world, talk_is_half_done, &talk, 600 * NS_PER_SECOND));
        /* One way is enough. */
        if (seed % 2 == 0) {
            sim_partition(talk.client_process, talk.server_process, true);
        } else {
            struct sim_link_options link;

            sim_link_get(talk.client_process, talk.server_process, &link);
            link.blocked = true;
            sim_link_set(talk.client_process, talk.server_process, &link);
        }
        if (sim_run_until(talk.world, talk_was_closed, &talk, 60 * NS_PER_SECOND)) {
            assert_true(talk.client.last_close == STATUS_TIMEOUT || talk.client.last_close == STATUS_CLOSED);
        }
        sim_heal(talk.world);
        /* A client that had nothing left to send waits for ever: programs have timeouts of their own. */
        if (talk.client.closes == 0) {
            sim_process_crash(talk.client_process, SIM_KILL);
            sim_process_start(talk.client_process);
        }
        assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
        assert_true(talk.client.connections > 1);
        talk_close(&talk);
    }
}

static void a_reset_is_told_to_the_client(void **state)
{
    struct talk talk;

    (void)state;
    talk_open(&talk, 3, SIZE);
    talk_start(&talk);
    assert_true(sim_run_until(talk.world, talk_is_half_done, &talk, 600 * NS_PER_SECOND));
    sim_reset_connections(talk.server_process, talk.client_process);
    assert_true(sim_run_until(talk.world, talk_was_closed, &talk, NS_PER_SECOND));
    assert_int_equal(talk.client.last_close, STATUS_CLOSED);
    assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
    assert_int_equal(talk.client.connections, 2);
    talk_close(&talk);
}

static void the_connections_of_a_killed_server_close_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct talk talk;

        talk_open(&talk, seed, SIZE);
        talk_start(&talk);
        assert_true(sim_run_until(talk.world, talk_is_half_done, &talk, 600 * NS_PER_SECOND));
        sim_process_crash(talk.server_process, SIM_KILL);
        assert_int_equal(sim_process_memory(talk.server_process), 0);
        assert_true(sim_run_until(talk.world, talk_was_closed, &talk, NS_PER_SECOND));
        assert_true(talk.client.last_close == STATUS_END || talk.client.last_close == STATUS_CLOSED);
        sim_run_for(talk.world, NS_PER_SECOND);
        /* It is refused now, the machine being up. */
        assert_int_equal(talk.client.last_close, STATUS_REFUSED);
        sim_process_start(talk.server_process);
        assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
        talk_close(&talk);
    }
}

static void a_server_without_power_is_silent_until_it_is_back(void **state)
{
    int timeouts = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct talk talk;

        talk_open(&talk, seed, SIZE);
        talk_start(&talk);
        assert_true(sim_run_until(talk.world, talk_is_half_done, &talk, 600 * NS_PER_SECOND));
        sim_process_crash(talk.server_process, SIM_POWER_CUT);
        sim_run_for(talk.world, 5 * NS_PER_SECOND);
        assert_int_equal(talk.client.closes, 0);
        if (!sim_run_until(talk.world, talk_was_closed, &talk, 30 * NS_PER_SECOND)) {
            sim_process_crash(talk.client_process, SIM_KILL);
            sim_process_start(talk.client_process);
        }
        timeouts += talk.client.last_close == STATUS_TIMEOUT;
        sim_process_start(talk.server_process);
        assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
        talk_close(&talk);
    }
    assert_true(timeouts > 0);
}

static void a_peer_that_stops_reading_stops_the_sender(void **state)
{
    struct talk talk;
    uint64_t echoed;

    (void)state;
    talk_open(&talk, 4, 10 * 1024 * 1024);
    talk.client.stop_reading = true;
    talk_start(&talk);
    sim_run_for(talk.world, 60 * NS_PER_SECOND);
    echoed = talk.server.echoed;
    assert_true(echoed > 0);
    assert_true(echoed < 512 * 1024);
    sim_run_for(talk.world, 60 * NS_PER_SECOND);
    assert_int_equal(talk.server.echoed, echoed);
    assert_int_equal(talk.client.closes, 0);
    talk_close(&talk);
}

static void a_paused_server_goes_on_where_it_stood(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct talk talk;
        uint64_t echoed;

        talk_open(&talk, seed, SIZE);
        talk_start(&talk);
        assert_true(sim_run_until(talk.world, talk_is_half_done, &talk, 600 * NS_PER_SECOND));
        sim_process_pause(talk.server_process);
        echoed = talk.server.echoed;
        sim_run_for(talk.world, 30 * NS_PER_SECOND);
        assert_int_equal(talk.server.echoed, echoed);
        sim_process_resume(talk.server_process);
        assert_true(sim_run_until(talk.world, talk_is_done, &talk, 600 * NS_PER_SECOND));
        assert_int_equal(talk.client.connections, 1);
        talk_close(&talk);
    }
}

static void hosts_that_nobody_has_are_unreachable(void **state)
{
    struct talk talk;

    (void)state;
    talk_open(&talk, 5, SIZE);
    talk.client.server = "nobody";
    talk_start(&talk);
    assert_true(sim_run_until(talk.world, talk_was_closed, &talk, NS_PER_SECOND));
    assert_int_equal(talk.client.last_close, STATUS_UNREACHABLE);
    assert_false(talk_is_connected(&talk));
    talk_close(&talk);
}

/* What happens to a talk under all faults at once is the same every time. */
static uint64_t disturbed_talk_hash(uint64_t seed, uint64_t *events)
{
    struct sim_disk_faults faults = {.sync_error_per_million = 20000, .slow_per_million = 50000,
                                     .slow_ns = NS_PER_SECOND};
    struct talk talk;
    uint64_t hash;

    talk_open(&talk, seed, SIZE);
    sim_disk_faults_set(talk.server_process, &faults);
    sim_clock_drift(talk.client_process, -50000);
    talk_start(&talk);
    for (int i = 0; i < 20; i++) {
        sim_run_for(talk.world, sim_between(talk.world, 0, NS_PER_SECOND));
        if (sim_chance(talk.world, 300000)) {
            sim_process_crash(talk.server_process, i % 2 == 0 ? SIM_KILL : SIM_POWER_CUT);
            sim_process_start(talk.server_process);
        }
        sim_partition(talk.server_process, talk.client_process, sim_chance(talk.world, 300000));
    }
    assert_null(sim_failure(talk.world));
    hash = sim_trace_hash(talk.world);
    *events = sim_counters_get(talk.world)->events;
    sim_world_destroy(talk.world);
    return hash;
}

static void a_seed_gives_the_same_run_every_time(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint64_t events[3];
        const uint64_t hash = disturbed_talk_hash(seed, &events[0]);

        assert_int_equal(hash, disturbed_talk_hash(seed, &events[1]));
        assert_int_equal(events[0], events[1]);
        assert_int_not_equal(hash, disturbed_talk_hash(seed + SEEDS, &events[2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order_and_unchanged),
        cmocka_unit_test(losses_cost_time_and_nothing_else),
        cmocka_unit_test(corruption_is_seen_by_who_checks),
        cmocka_unit_test(a_short_partition_only_stalls),
        cmocka_unit_test(a_long_partition_breaks_the_connection_and_the_next_one_works),
        cmocka_unit_test(a_reset_is_told_to_the_client),
        cmocka_unit_test(the_connections_of_a_killed_server_close_at_once),
        cmocka_unit_test(a_server_without_power_is_silent_until_it_is_back),
        cmocka_unit_test(a_peer_that_stops_reading_stops_the_sender),
        cmocka_unit_test(a_paused_server_goes_on_where_it_stood),
        cmocka_unit_test(hosts_that_nobody_has_are_unreachable),
        cmocka_unit_test(a_seed_gives_the_same_run_every_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
