/* The command table: every command with its options, help and examples. */
#include "cli/commands.h"

#define NO_OPTION {NULL, 0, NULL, NULL}
#define NO_EXAMPLE {NULL, NULL}
#define DIR_OPTION {"dir", 0, "PATH", "directory of the cluster (default .local)"}
#define YES_OPTION {"yes", 'y', NULL, "do not ask"}
#define DRY_OPTION {"dry-run", 0, NULL, "let the controllers check it, change nothing"}

static const struct option topic_create_options[] = {
    {"partitions", 'p', "N", "number of partitions (default: the cluster's num.partitions)"},
    {"replicas", 'r', "N", "copies of each (default: the cluster's default.replication.factor)"},
    {"config", 'c', "KEY=VALUE", "a setting of the topic; may be repeated"},
    {"if-not-exists", 0, NULL, "an existing topic is no error"},
    DRY_OPTION,
    NO_OPTION,
};
static const struct example topic_create_examples[] = {
    {"topic create hello --partitions 3", "three partitions, copies as the cluster's default says"},
    {"topic create logs -p 12 -r 3 -c retention.ms=86400000 -c compression.type=zstd", "kept for a day, compressed"},
    {"topic create logs --if-not-exists --dry-run", "what would happen"},
    NO_EXAMPLE,
};

static const struct option topic_delete_options[] = {YES_OPTION, NO_OPTION};
static const struct example topic_delete_examples[] = {
    {"topic delete hello --yes", "without asking, for scripts"},
    NO_EXAMPLE,
};

static const struct option topic_grow_options[] = {
    {"partitions", 'p', "N", "the new total"},
    DRY_OPTION,
    NO_OPTION,
};
static const struct example topic_grow_examples[] = {
    {"topic grow hello --partitions 6", "keys may go to other partitions from then on"},
    NO_EXAMPLE,
};

static const struct option topic_ls_options[] = {
    {"internal", 0, NULL, "internal topics too"},
    {"under-replicated", 0, NULL, "only topics with copies that are not in sync"},
    {"no-leader", 0, NULL, "only topics with partitions that nobody leads"},
    NO_OPTION,
};
static const struct option topic_describe_options[] = {
    {"offsets", 0, NULL, "first and next offset of each partition too"},
    NO_OPTION,
};
static const struct example topic_describe_examples[] = {
    {"topic describe hello --offsets", "leaders, copies, who is in sync, how much is there"},
    NO_EXAMPLE,
};
static const struct option topic_trim_options[] = {
    {"before", 0, "OFFSET|end", "records before it are deleted"},
    {"partition", 'p', "N", "only this one"},
    YES_OPTION,
    NO_OPTION,
};
static const struct example topic_trim_examples[] = {
    {"topic trim hello --before end --yes", "empties the topic"},
    {"topic trim hello -p 0 --before 1000", "partition 0 begins at 1000 then"},
    NO_EXAMPLE,
};
static const struct option change_options[] = {DRY_OPTION, NO_OPTION};
static const struct example topic_set_examples[] = {
    {"topic set hello retention.ms=3600000 max.message.bytes=2097152", "two settings in one step"},
    NO_EXAMPLE,
};
static const struct option config_get_options[] = {
    {"all", 'a', NULL, "defaults too"},
    NO_OPTION,
};
static const struct example config_get_examples[] = {
    {"config get topic hello", "what differs from the defaults"},
    {"config get node 2 log.dirs", "one key"},
    {"config get topic hello --all -o json", "everything, for programs"},
    NO_EXAMPLE,
};
static const struct example config_set_examples[] = {
    {"config set topic hello retention.ms=3600000", "one topic"},
    {"config set cluster message.max.bytes=2097152", "the default of all nodes"},
    NO_EXAMPLE,
};
static const struct example config_unset_examples[] = {
    {"config unset topic hello retention.ms", "back to the default"},
    NO_EXAMPLE,
};
static const struct option status_options[] = {
    {"wait", 'w', NULL, "until all is well, at most --timeout"},
    {"watch", 'W', NULL, "again every second, until interrupted"},
    NO_OPTION,
};
static const struct example status_examples[] = {
    {"status", "one sentence and the numbers behind it; exit code 1 if not all is well"},
    {"status --wait --timeout 60", "in scripts, after a start"},
    NO_EXAMPLE,
};
static const struct option log_dump_options[] = {
    {"records", 'r', NULL, "the records of each batch too"},
    NO_OPTION,
};
static const struct example log_examples[] = {
    {"log dump --records .local/data/node-1/hello-0/00000000000000000000.log", "what is in a segment"},
    {"log verify .local/data/node-1/*/*.log", "checksums, offsets, indexes"},
    NO_EXAMPLE,
};
static const struct example explain_examples[] = {
    {"explain 19", "by number"},
    {"explain not-enough-replicas", "by name"},
    {"explain", "all of them"},
    NO_EXAMPLE,
};
static const struct example api_examples[] = {
    {"api localhost:9093", "of this server; without an address: of any node"},
    NO_EXAMPLE,
};

static const struct option produce_options[] = {
    {"partition", 'p', "N", "write to this partition instead of choosing by key"},
    {"delimiter", 'D', "TEXT", "ends a record (default \\n)"},
    {"key-delimiter", 'K', "TEXT", "ends the key at the beginning of a record"},
    {"key", 'k', "TEXT", "key of every record that has none"},
    {"header", 'H', "NAME=VALUE", "a header of every record; may be repeated"},
    {"json", 'J', NULL, "read JSON lines: key, value, headers, timestamp, partition"},
    {"null", 'Z', NULL, "empty keys and values are null (a null value deletes in a compacted topic)"},
    {"compression", 'z', "CODEC", "none, gzip, snappy, lz4 or zstd"},
    {"acks", 'a', "all|1|0", "who has to have it before it counts (default all)"},
    NO_OPTION,
};
static const struct example produce_examples[] = {
    {"produce hello <<< 'Hello, stream!'", "one record"},
    {"produce users -K : < users.txt", "lines like alice:{\"age\": 30}, keyed by name"},
    {"produce images photo.jpg scan.png", "each file is one record"},
    {"consume old -J -e | millrace produce new -J", "copies a topic with keys, headers and times"},
    {"produce logs -z zstd -X linger.ms=50 -X batch.size=262144 < big.log", "large compressed batches"},
    NO_EXAMPLE,
};

static const struct option consume_options[] = {
    {"from", 'o', "POSITION",
     "beginning (default), end, 123, -123 (before the end), s@MS or s@-1h (time); e@MS: stop there"},
    {"partition", 'p', "N", "only this one; may be repeated"},
    {"count", 'c', "N", "stop after so many records"},
    {"exit", 'e', NULL, "stop at the end instead of waiting for more"},
    {"format", 'f', "TEXT", "%s value %S its size %k key %K its size %t topic %p partition %o offset %T ms %h headers"},
    {"json", 'J', NULL, "a JSON object a line, as kcat's envelope"},
    {"delimiter", 'D', "TEXT", "behind each record (default \n)"},
    {"key-delimiter", 'K', "TEXT", "print the key and this before the value"},
    {"null", 'Z', NULL, "print null keys and values as NULL"},
    {"quiet", 'q', NULL, "no count at the end"},
    NO_OPTION,
};
static const struct example consume_examples[] = {
    {"consume hello", "from the beginning, then whatever comes"},
    {"consume hello -o -10 -e", "the last ten of each partition"},
    {"consume hello -o s@-1h -e -f '%T %p@%o %k = %s\n'", "the last hour with times, places and keys"},
    {"consume hello -p 0 -o 100 -c 1 -J", "one record as JSON"},
    NO_EXAMPLE,
};

static const struct option dev_up_options[] = {
    {"controllers", 0, "N", "number of controllers (default 3)"},
    {"nodes", 0, "N", "number of storage nodes (default 3)"},
    {"port", 0, "PORT", "of the first node; others follow in steps of 1000, controllers one above (default 9092)"},
    {"set", 0, "KEY=VALUE", "a line for the nodes' properties; may be repeated"},
    {"set-controller", 0, "KEY=VALUE", "a line for the controllers' properties; may be repeated"},
    DIR_OPTION,
    NO_OPTION,
};
static const struct example dev_up_examples[] = {
    {"dev up", "three controllers and three nodes in ./.local; also starts members that have ended"},
    {"dev up --controllers 1 --nodes 1 --dir /srv/try --port 19092", "a small one elsewhere"},
    NO_EXAMPLE,
};
static const struct option dev_down_options[] = {
    {"purge", 0, NULL, "remove data, logs and settings too"},
    DIR_OPTION,
    NO_OPTION,
};
static const struct option dev_options[] = {DIR_OPTION, NO_OPTION};
static const struct option dev_logs_options[] = {
    {"lines", 'n', "N", "how many of each (default 20)"},
    DIR_OPTION,
    NO_OPTION,
};
static const struct example dev_kill_examples[] = {
    {"dev kill node 2", "as a power cut; then watch: millrace status --watch"},
    NO_EXAMPLE,
};
static const struct example dev_restart_examples[] = {
    {"dev restart node 2", "stops it if it runs, starts it, waits until it is back"},
    {"dev restart", "all members, one after the other"},
    NO_EXAMPLE,
};
static const struct example dev_logs_examples[] = {
    {"dev logs", "the ends of all logs"},
    {"dev logs controller 101 -n 100", "of one member"},
    NO_EXAMPLE,
};

const struct command command_table[] = {
    {"topic create", "NAME...", 1, ARGUMENTS_ANY, "Create topics", NULL, topic_create_options, topic_create_examples,
     topic_create_command},
    {"topic ls", "", 0, 0, "List topics", NULL, topic_ls_options, NULL, topic_ls_command},
    {"topic describe", "NAME...", 1, ARGUMENTS_ANY, "Show partitions, leaders and copies of topics", NULL,
     topic_describe_options, topic_describe_examples, topic_describe_command},
    {"topic set", "NAME KEY=VALUE...", 2, ARGUMENTS_ANY, "Change settings of a topic", NULL, change_options,
     topic_set_examples, topic_set_command},
    {"topic trim", "NAME", 1, 1, "Delete the oldest records of a topic", NULL, topic_trim_options, topic_trim_examples,
     topic_trim_command},
    {"topic delete", "NAME...", 1, ARGUMENTS_ANY, "Delete topics with all their records", NULL, topic_delete_options,
     topic_delete_examples, topic_delete_command},
    {"topic grow", "NAME", 1, 1, "Add partitions to a topic", NULL, topic_grow_options, topic_grow_examples,
     topic_grow_command},
    {"produce", "TOPIC [FILE...]", 1, ARGUMENTS_ANY, "Write records to a topic",
     "Reads standard input, a record a line, or whole files, a record each. Records with a key go to the partition\n"
     "that every Kafka client chooses for it. Idempotent: a retry never stores a record twice. Any producer property\n"
     "can be given with -X by its Kafka name. Exit code 1 if any record was not delivered.",
     produce_options, produce_examples, produce_command},
    {"consume", "TOPIC", 1, 1, "Read a topic",
     "Reads all partitions at once from their leaders; checks the checksum of every batch. Records of aborted or open\n"
     "transactions are left out unless -X isolation.level=read_uncommitted. Options are kcat's.",
     consume_options, consume_examples, consume_command},
    {"status", "", 0, 0, "Is everything well?", NULL, status_options, status_examples, status_command},
    {"quorum", "", 0, 0, "The controllers: who leads, how far each has got", NULL, NULL, NULL, quorum_command},
    {"node ls", "", 0, 0, "List storage nodes", NULL, NULL, NULL, node_ls_command},
    {"disk", "", 0, 0, "Log directories of all nodes: state, sizes, free space", NULL, NULL, NULL, disk_command},
    {"config get", "topic NAME | node ID | cluster [KEY...]", 1, ARGUMENTS_ANY,
     "Show settings and where they come from",
     NULL, config_get_options, config_get_examples, config_get_command},
    {"config set", "topic NAME | node ID | cluster KEY=VALUE...", 2, ARGUMENTS_ANY, "Change settings", NULL,
     change_options, config_set_examples, config_set_command},
    {"config unset", "topic NAME | node ID | cluster KEY...", 2, ARGUMENTS_ANY, "Set settings back to their defaults",
     NULL, change_options, config_unset_examples, config_unset_command},
    {"log dump", "FILE...", 1, ARGUMENTS_ANY, "Print the batches of segment files, without a server", NULL,
     log_dump_options, log_examples, log_dump_command},
    {"log verify", "FILE...", 1, ARGUMENTS_ANY, "Check segment files and their indexes, without a server", NULL, NULL,
     log_examples, log_verify_command},
    {"explain", "[ERROR]", 0, 1, "What a Kafka error means and what to do", NULL, NULL, explain_examples,
     explain_command},
    {"api", "[HOST:PORT]", 0, 1, "Requests and versions that a server offers", NULL, NULL, api_examples, api_command},
    {"version", "", 0, 0, "The version of this program", NULL, NULL, NULL, version_command},
    {"dev up", "", 0, 0, "Start a local cluster of plain processes",
     "The processes outlive the terminal. Later commands in this directory find the cluster by themselves.",
     dev_up_options, dev_up_examples, dev_up_command},
    {"dev down", "", 0, 0, "Stop the local cluster", NULL, dev_down_options, NULL, dev_down_command},
    {"dev status", "", 0, 0, "Which processes of the local cluster run", NULL, dev_options, NULL, dev_status_command},
    {"dev kill", "ROLE ID", 2, 2, "Kill a member of the local cluster (SIGKILL)", NULL, dev_options, dev_kill_examples,
     dev_kill_command},
    {"dev restart", "[ROLE ID]", 0, 2, "Restart one member of the local cluster, or all in turn", NULL, dev_options,
     dev_restart_examples, dev_restart_command},
    {"dev logs", "[ROLE ID]", 0, 2, "The ends of the members' logs", NULL, dev_logs_options, dev_logs_examples,
     dev_logs_command},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
