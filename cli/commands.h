/* The commands' entry points, one per row of the command table (commands.c). Each returns an exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

/* All commands, ended by a NULL name. */
extern const struct command command_table[];

int dev_up_command(struct cli *cli);
int dev_down_command(struct cli *cli);
int dev_status_command(struct cli *cli);
int dev_kill_command(struct cli *cli);
int dev_restart_command(struct cli *cli);
int dev_logs_command(struct cli *cli);
int topic_create_command(struct cli *cli);
int topic_ls_command(struct cli *cli);
int topic_describe_command(struct cli *cli);
int topic_delete_command(struct cli *cli);
int topic_grow_command(struct cli *cli);
int topic_trim_command(struct cli *cli);
int topic_set_command(struct cli *cli);
int config_get_command(struct cli *cli);
int config_set_command(struct cli *cli);
int config_unset_command(struct cli *cli);
int produce_command(struct cli *cli);
int consume_command(struct cli *cli);
int status_command(struct cli *cli);
int quorum_command(struct cli *cli);
int node_ls_command(struct cli *cli);
int disk_command(struct cli *cli);
int log_dump_command(struct cli *cli);
int log_verify_command(struct cli *cli);
int explain_command(struct cli *cli);
int version_command(struct cli *cli);
int api_command(struct cli *cli);

#endif
