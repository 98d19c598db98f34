/* An echo server that is disturbed in every way, and clients that check what comes back. */
#include "tests/sim/chatter.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/workload.h"

#define CLIENTS 3
#define BYTES 300000
#define STORM_NS (60 * NS_PER_SECOND)
#define PATIENCE_NS (600 * NS_PER_SECOND)

static bool clients_are_done(void *context)
{
    const struct chatter_client *clients = context;

    return clients[0].done && clients[1].done && clients[2].done;
}

void workload_chatter(const struct sim_options *options, struct verdict *verdict)
{
    static const char *const names[CLIENTS] = {"client-1", "client-2", "client-3"};
    struct nemesis_options faults = nemesis_options_all();
    struct sim_world *world = sim_world_create(options);
    struct chatter_client clients[CLIENTS];
    struct chatter_server server;
    struct sim_process *process;
    struct nemesis *nemesis;

    chatter_server_init(&server);
    process = sim_process_add(world, "server", 2, &server.program);
    sim_process_start(process);
    for (int i = 0; i < CLIENTS; i++) {
        chatter_client_init(&clients[i], "server", BYTES);
        sim_process_start(sim_process_add(world, names[i], 1, &clients[i].program));
    }
    faults.gap_most_ns = NS_PER_SECOND;
    faults.members = 1;
    nemesis = nemesis_create(world, &process, 1, &faults);
    sim_run_for(world, STORM_NS);
    nemesis_rest(nemesis);
    nemesis_leave(nemesis);
    /* The clients have no timeouts, so a power cut may have left them with half a connection. */
    for (int i = 0; i < CLIENTS; i++) {
        struct sim_process *client = sim_process_find(world, names[i]);

        if (!clients[i].done && sim_process_running(client)) {
            sim_process_crash(client, SIM_KILL);
            sim_process_start(client);
        }
    }
    verdict_take(verdict, world, sim_run_until(world, clients_are_done, clients, PATIENCE_NS));
    sim_world_destroy(world);
    nemesis_destroy(nemesis);
}
