/* What a narrating world prints: its own lines and the trace of the programs, each with virtual time and who speaks. */
#ifndef SIM_NARRATION_H
#define SIM_NARRATION_H

struct sim_world;

void narration_begin(struct sim_world *world);
void narration_end(struct sim_world *world);

#endif
