/* Decisions on their way through the quorum. */
#include "controller/machine/machine.h"

#include "common/base/assert.h"
#include "common/batch/record_batch.h"
#include "common/trace/trace.h"

static void call_refused(void *context)
{
    struct machine *machine = context;
    struct list *link;

    while ((link = list_take_first(&machine->refused)) != NULL) {
        struct machine_write *write = LIST_ENTRY(link, struct machine_write, link);

        write->done(write, write->refused);
    }
}

void writes_init(struct machine *machine)
{
    list_init(&machine->writes);
    list_init(&machine->refused);
    env_hook_init(&machine->refused_hook, call_refused, machine);
}

static void refuse(struct machine_write *write, enum status why)
{
    write->refused = why;
    list_append(&write->machine->refused, &write->link);
    env_at_turn_end(write->machine->env, &write->machine->refused_hook);
}

/* Nothing is on its way any more: the committed image is the newest. */
static void settle(struct machine *machine)
{
    if (list_empty(&machine->writes)) {
        image_unref(machine->ahead);
        machine->ahead = NULL;
        machine->doubtful = false;
    }
}

void writes_abandon(struct machine *machine)
{
    machine->doubtful = !list_empty(&machine->writes);
    settle(machine);
}

static void write_done(struct quorum_proposal *proposal, enum status status)
{
    struct machine_write *write = CONTAINER_OF(proposal, struct machine_write, proposal);
    struct machine *machine = write->machine;

    list_remove(&write->link);
    machine->writes_bytes -= write->size;
    if (status == STATUS_OK && write->passed_over) {
        status = STATUS_NOT_LEADER;
    }
    if (status != STATUS_OK) {
        /* What was decided after it stands on something that will not be. */
        machine->doubtful = true;
    }
    settle(machine);
    if (status == STATUS_OK && machine->active && !machine->failed) {
        sessions_arm(machine);
    }
    write->done(write, status);
}

static void write_start(struct machine *machine, struct machine_write *write)
{
    write->machine = machine;
    write->size = 0;
    write->passed_over = false;
    list_init(&write->link);
    write->proposal = (struct quorum_proposal){.done = write_done};
    list_init(&write->proposal.link);
}

void machine_begin(struct machine *machine, struct arena *arena, struct record_list *records, struct decision *decision)
{
    ASSERT(machine_is_active(machine));
    record_list_init(records, arena);
    *decision = (struct decision){
        .image = machine_newest(machine),
        .config = machine->options.config,
        .arena = arena,
        .records = records,
        .seed = env_random(machine->env),
    };
}

/* Makes `ahead` the state with the batch. False: the decision contradicts what it was made on, which is our mistake,
 * but neither the log nor the process shall suffer from it. */
static bool write_replay(struct machine *machine, struct bytes batch)
{
    enum status status;

    if (machine->ahead == NULL) {
        machine->ahead = image_ref(machine->image);
    }
    status = image_apply_batch(&machine->ahead, batch);
    if (status != STATUS_OK) {
        trace_error("decision_refused", T_INT("offset", image_offset(machine->ahead)), T_STATUS("why", status));
        /* `ahead` may have a part of it. */
        machine->doubtful = true;
        settle(machine);
    }
    return status == STATUS_OK;
}

void machine_propose(struct machine *machine, const struct record_list *records, struct machine_write *write)
{
    struct buffer batch = {0};
    const struct quorum_options *limits = &machine->options.quorum;

    ASSERT(machine_is_active(machine));
    ASSERT(write->done != NULL);
    write_start(machine, write);
    record_list_encode(records, env_wall_ms(machine->env), &batch);
    write->offset = image_offset(machine_newest(machine)) + 1;
    batch_assign((struct space){batch.data, batch.size}, write->offset, (int32_t)machine->term);
    if (batch.size > limits->entry_bytes_max) {
        refuse(write, STATUS_TOO_LARGE);
    } else if (machine->writes_bytes > 0 && machine->writes_bytes + batch.size > limits->inflight_bytes_max / 2) {
        refuse(write, STATUS_FULL);
    } else if (!write_replay(machine, buffer_bytes(&batch))) {
        refuse(write, STATUS_INVALID);
    } else {
        write->size = batch.size;
        machine->writes_bytes += batch.size;
        list_append(&machine->writes, &write->link);
        quorum_propose(machine->quorum, buffer_bytes(&batch), &write->proposal);
    }
    buffer_deinit(&batch);
}

static void barrier_done(struct quorum_proposal *proposal, enum status status)
{
    struct machine_write *write = CONTAINER_OF(proposal, struct machine_write, proposal);

    list_remove(&write->link);
    write->done(write, status);
}

void machine_barrier(struct machine *machine, struct machine_write *write)
{
    ASSERT(machine_is_active(machine));
    write_start(machine, write);
    write->proposal.done = barrier_done;
    write->offset = -1;
    quorum_barrier(machine->quorum, &write->proposal);
}
