/* Liveness of nodes: one timer, at the earliest end of a session. Contact moves sessions on without touching the timer;
 * when it fires too early it is set again. So heartbeats cost nothing here, however many nodes there are. */
#include "controller/machine/machine.h"

#include "common/base/memory.h"
#include "common/trace/trace.h"
#include "controller/state/broker_table.h"

/* A timer that is later than this part of a session says that the process stood still. Its nodes' heartbeats wait in
 * the sockets then, and none of them may be fenced before they were read. */
#define LATENESS_PARTS 4

struct session_write {
    struct machine_write write;
    int32_t broker_id;
};

static void session_ended(struct machine_write *write, enum status status)
{
    struct session_write *ended = CONTAINER_OF(write, struct session_write, write);
    struct machine *machine = write->machine;

    trace_warn("broker_fenced", T_INT("broker", ended->broker_id), T_TEXT("why", "session expired"),
               T_STATUS("status", status));
    memory_free(ended);
    if (machine->active) {
        sessions_arm(machine);
    }
}

static void fence(struct machine *machine, int32_t broker_id)
{
    struct session_write *ended = memory_alloc_zero(1, sizeof(*ended));
    struct arena arena;
    struct record_list records;
    struct decision decision;

    ended->write.done = session_ended;
    ended->broker_id = broker_id;
    arena_init(&arena, SIZE_MAX / 2);
    machine_begin(machine, &arena, &records, &decision);
    broker_table_expire(&decision, broker_id);
    machine_propose(machine, &records, &ended->write);
    arena_deinit(&arena);
}

static void session_due(void *context)
{
    struct machine *machine = context;
    const uint64_t now_ns = env_now_ns(machine->env);
    int32_t broker_id;

    if (!machine->active || machine->closing) {
        return;
    }
    if (now_ns - machine->session_deadline_ns > machine->options.session_timeout_ns / LATENESS_PARTS) {
        trace_warn("process_stood_still", T_UINT("ms", (now_ns - machine->session_deadline_ns) / NS_PER_MS));
        sessions_restart(machine);
        return;
    }
    while (machine_is_active(machine) &&
           (broker_id = heartbeat_table_expired(&machine->heartbeats, machine_newest(machine), now_ns)) >= 0) {
        const int64_t before = image_offset(machine_newest(machine));

        fence(machine, broker_id);
        if (image_offset(machine_newest(machine)) == before) {
            /* Too much is on its way: when that is back the timer is set again. */
            return;
        }
    }
    sessions_arm(machine);
}

void sessions_arm(struct machine *machine)
{
    const uint64_t now_ns = env_now_ns(machine->env);
    uint64_t deadline_ns;

    if (!machine->active || machine->closing || env_timer_active(&machine->session_timer)) {
        return;
    }
    deadline_ns = heartbeat_table_deadline(&machine->heartbeats, machine_newest(machine));
    if (deadline_ns == UINT64_MAX) {
        return;
    }
    /* A node that is silent while nothing can be decided is looked at again soon. */
    machine->session_deadline_ns = deadline_ns > now_ns ? deadline_ns : now_ns + NS_PER_MS;
    env_timer_start(machine->env, &machine->session_timer, machine->session_deadline_ns - now_ns);
}

void sessions_init(struct machine *machine)
{
    heartbeat_table_init(&machine->heartbeats, machine->options.session_timeout_ns);
    env_timer_init(&machine->session_timer, session_due, machine);
}

void sessions_restart(struct machine *machine)
{
    env_timer_stop(machine->env, &machine->session_timer);
    heartbeat_table_restart(&machine->heartbeats, machine_newest(machine), env_now_ns(machine->env));
    sessions_arm(machine);
}

void sessions_lost(struct machine *machine, int32_t broker_id, const void *connection)
{
    if (heartbeat_table_lose(&machine->heartbeats, broker_id, connection, env_now_ns(machine->env))) {
        /* Its end may have come nearer than what the timer waits for. */
        env_timer_stop(machine->env, &machine->session_timer);
        sessions_arm(machine);
    }
}

void sessions_stop(struct machine *machine)
{
    env_timer_stop(machine->env, &machine->session_timer);
}
