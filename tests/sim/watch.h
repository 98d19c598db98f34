/* Looks into the programs of a cluster between events, every few milliseconds, and holds what it sees against what the
 * metadata quorum promises:
 *
 *     W1 a term has one leader
 *     W2 a committed entry never changes, and a leader of a later term has it
 *     W3 what is committed anywhere is on the disks of a majority
 *     W4 a controller's commit index never falls, applied <= committed <= last
 *     W5 images of controllers and nodes at one offset are equal, however they came there
 *     W6 a leader epoch of a partition has one leader (with the ledger's)
 */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include "tests/sim/cluster.h"
#include "tests/sim/ledger.h"

struct watch;

struct watch_counts {
    uint64_t looks;
    uint64_t terms;    /* that had a leader */
    uint64_t entries;  /* committed */
    uint64_t images;   /* different ones compared */
    uint64_t installs; /* a controller's log began anew behind a snapshot */
};

/* Looks from now on until it is destroyed; borrows both. */
struct watch *watch_create(struct sim_world *world, struct cluster *cluster, struct ledger *ledger);
/* After the world is destroyed. */
void watch_destroy(struct watch *watch);
const struct watch_counts *watch_counts_get(const struct watch *watch);
/* All programs of the cluster have the same image, and it is the newest. As sim_run_until takes it. */
bool watch_images_agree(void *watch);

#endif
