/* What is told of a run: the simulator's own lines and the trace of the programs, each with virtual time and who
 * speaks. A narrating world prints all of it; one with a ring keeps the last lines, without those of level debug, and
 * counts the programs' events by name. */
#ifndef SIM_NARRATION_H
#define SIM_NARRATION_H

#include <stddef.h>
#include <stdint.h>

#define NARRATION_LINES 64
#define NARRATION_LINE_SIZE 240
#define NARRATION_EVENTS_MAX 64
#define NARRATION_EVENT_SIZE 32

struct sim_world;

struct narration_event {
    char name[NARRATION_EVENT_SIZE];
    uint64_t count;
};

struct narration_ring {
    size_t written; /* lines, since it was cleared; the last NARRATION_LINES are there */
    char lines[NARRATION_LINES][NARRATION_LINE_SIZE];
    struct narration_event events[NARRATION_EVENTS_MAX];
    size_t event_count;
};

void narration_begin(struct sim_world *world);
void narration_end(struct sim_world *world);

void narration_ring_clear(struct narration_ring *ring);
/* The line number `index`, the oldest being 0; NULL behind the last one. */
const char *narration_ring_line(const struct narration_ring *ring, size_t index);

#endif
