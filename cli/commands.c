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
    {"topic create users -c cleanup.policy=compact", "keeps the last value of each key"},
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
    {"from", 'o', "POSITION", "beginning (default), end, 123, -123 (before the end), s@MS or s@-1h (time); e@MS: stop there"},
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
    {"dev logs controller 1 -n 100", "of one member"},
    NO_EXAMPLE,
};

const struct command command_table[] = {
    {"topic create", "NAME...", 1, ARGUMENTS_ANY, "Create topics", NULL, topic_create_options, topic_create_examples,
     topic_create_command},
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
