/* Starting, watching and stopping the members of a local cluster. Whatever fails here has printed its error line. */
#ifndef CLI_DEV_CONTROL_H
#define CLI_DEV_CONTROL_H

#include "cli/cli.h"
#include "cli/dev_cluster.h"

#include <stdio.h>

#define LOG_LINES_DEFAULT 20

bool dev_make_directory(const char *path);
bool dev_write_text(const char *path, struct bytes text);
/* Locks the cluster's directory against other dev commands until the descriptor is closed; -1 if one is at work. */
int dev_lock(const struct dev_cluster *cluster);
/* Reads the state file. NOT_FOUND alone prints nothing. */
MUST_USE enum status dev_cluster_load(struct dev_cluster *cluster);
/* Prints the last `lines` of a file, each behind `prefix`; nothing if it is not there. */
void dev_print_tail(const char *path, const char *prefix, int64_t lines, FILE *out);

/* Starts a member that does not run. */
bool dev_start(const struct dev_cluster *cluster, const struct dev_member *member);
/* Asks a member to stop and waits; true if it has ended, or never ran. */
bool dev_stop(const struct dev_cluster *cluster, const struct dev_member *member);
/* Waits until every node that expected[] (by member) names lists as many nodes as are expected, and every controller
 * answers, knowing the active one if a majority is expected; false if a member ends meanwhile or the command's timeout
 * passes. */
bool dev_wait_ready(struct cli *cli, const struct dev_cluster *cluster, const bool *expected);
/* Monotonic. */
uint64_t dev_now_ms(void);

#endif
