/* The generator's command line. */
#include "tests/bench/load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "Usage: millrace-load MODE --bootstrap HOST:PORT --topic NAME [OPTIONS]\n"
    "Loads any Kafka-compatible broker (Produce v9, Fetch v12) and prints what it cost.\n\n"
    "Modes:\n"
    "  produce   requests in a closed loop; with --rate by a schedule, latencies counted from the scheduled time\n"
    "  fetch     reads the log from its start, again and again, never near its end\n"
    "  fill      writes --bytes and ends\n"
    "  spread    writes to every partition until all have acknowledged\n"
    "  storm     opens --connections, asks each for ApiVersions, keeps them idle for --seconds\n\n"
    "Options:\n"
    "  --partitions N      (8)    --connections N   (8)    --depth N        (5) requests in flight on each\n"
    "  --record-size N  (1024)    --records N      (15)    --codec none|lz4|zstd|gzip|snappy\n"
    "  --acks 1|-1         (1)    --seconds S       (4)    --warmup S       (2)\n"
    "  --rate R            requests per second, open loop   --tail N   connections that read at the log's end\n"
    "  --max-bytes N (1048576)    --bytes N                --timeout S     (30)\n"
    "  --create            create the topic first           --config KEY=VALUE   its settings    --replicas N (1)\n"
    "  --pid PID           the broker's processes, for their CPU and memory; may be repeated\n"
    "  --since NS          monotonic time from which spread counts    --label TEXT\n";

enum load_option {
    OPTION_BOOTSTRAP = 256, OPTION_TOPIC, OPTION_PARTITIONS, OPTION_CONNECTIONS, OPTION_DEPTH, OPTION_RECORD_SIZE,
    OPTION_RECORDS, OPTION_CODEC, OPTION_ACKS, OPTION_SECONDS, OPTION_WARMUP, OPTION_RATE, OPTION_TAIL,
    OPTION_MAX_BYTES, OPTION_BYTES, OPTION_TIMEOUT, OPTION_CREATE, OPTION_CONFIG, OPTION_REPLICAS, OPTION_PID,
    OPTION_SINCE, OPTION_LABEL, OPTION_HELP,
};

static const struct option long_options[] = {
    {"bootstrap", required_argument, NULL, OPTION_BOOTSTRAP},
    {"topic", required_argument, NULL, OPTION_TOPIC},
    {"partitions", required_argument, NULL, OPTION_PARTITIONS},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"depth", required_argument, NULL, OPTION_DEPTH},
    {"record-size", required_argument, NULL, OPTION_RECORD_SIZE},
    {"records", required_argument, NULL, OPTION_RECORDS},
    {"codec", required_argument, NULL, OPTION_CODEC},
    {"acks", required_argument, NULL, OPTION_ACKS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"tail", required_argument, NULL, OPTION_TAIL},
    {"max-bytes", required_argument, NULL, OPTION_MAX_BYTES},
    {"bytes", required_argument, NULL, OPTION_BYTES},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"create", no_argument, NULL, OPTION_CREATE},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"replicas", required_argument, NULL, OPTION_REPLICAS},
    {"pid", required_argument, NULL, OPTION_PID},
    {"since", required_argument, NULL, OPTION_SINCE},
    {"label", required_argument, NULL, OPTION_LABEL},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static double number(const char *text, double min, double max)
{
    char *end;
    const double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= min && value <= max)) {
        load_fail("%s is not a number from %g to %g", text, min, max);
    }
    return value;
}

static void set_bootstrap(struct load_options *options, const char *text)
{
    const char *colon = strrchr(text, ':');

    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof(options->host)) {
        load_fail("--bootstrap wants HOST:PORT, not %s", text);
    }
    memcpy(options->host, text, (size_t)(colon - text));
    options->host[colon - text] = '\0';
    options->port = (uint16_t)number(colon + 1, 1, UINT16_MAX);
}

static void set_mode(struct load_options *options, const char *text)
{
    static const char *const names[] = {"produce", "fetch", "fill", "spread", "storm"};

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            options->mode = (enum load_mode)i;
            return;
        }
    }
    load_fail("unknown mode %s; see --help", text);
}

/* The numbers; false if it is another option. */
static bool set_number(struct load_options *options, int option, const char *text)
{
    switch (option) {
    case OPTION_PARTITIONS: options->partitions = (int32_t)number(text, 1, 1000000); return true;
    case OPTION_CONNECTIONS: options->connections = (uint32_t)number(text, 1, 20000); return true;
    case OPTION_DEPTH: options->depth = (uint32_t)number(text, 1, 256); return true;
    case OPTION_RECORD_SIZE: options->record_size = (uint32_t)number(text, 16, 10e6); return true;
    case OPTION_RECORDS: options->records = (uint32_t)number(text, 1, 1e6); return true;
    case OPTION_SECONDS: options->seconds = number(text, 0.1, 3600); return true;
    case OPTION_WARMUP: options->warmup_s = number(text, 0, 3600); return true;
    case OPTION_RATE: options->rate = number(text, 0, 1e7); return true;
    case OPTION_TAIL: options->tail = (uint32_t)number(text, 0, 1000); return true;
    case OPTION_MAX_BYTES: options->max_bytes = (uint32_t)number(text, 1, 1e9); return true;
    case OPTION_BYTES: options->fill_bytes = (uint64_t)number(text, 1, 1e13); return true;
    case OPTION_TIMEOUT: options->timeout_s = number(text, 0, 3600); return true;
    case OPTION_REPLICAS: options->replicas = (int16_t)number(text, 1, 32); return true;
    case OPTION_SINCE: options->since_ns = (uint64_t)number(text, 0, 1e19); return true;
    default: return false;
    }
}

static void set_other(struct load_options *options, int option, const char *text)
{
    if (option == OPTION_BOOTSTRAP) {
        set_bootstrap(options, text);
    } else if (option == OPTION_TOPIC) {
        options->topic = text;
    } else if (option == OPTION_LABEL) {
        options->label = text;
    } else if (option == OPTION_CREATE) {
        options->create = true;
    } else if (option == OPTION_CODEC) {
        if (compression_parse(string_of(text), &options->codec) != STATUS_OK) {
            load_fail("unknown codec %s", text);
        }
    } else if (option == OPTION_ACKS) {
        options->acks = (int16_t)number(text, -1, 1);
        if (options->acks == 0) {
            load_fail("--acks 0 cannot be measured: nothing is acknowledged");
        }
    } else if (option == OPTION_CONFIG && options->config_count < CREATE_CONFIGS_MAX && strchr(text, '=') != NULL) {
        options->configs[options->config_count++] = string_of(text);
    } else if (option == OPTION_PID && options->pid_count < USAGE_PIDS_MAX) {
        options->pids[options->pid_count++] = (int)number(text, 1, 1e9);
    } else if (option == OPTION_HELP) {
        fputs(help, stdout);
        exit(0);
    } else {
        load_fail("bad arguments; see --help");
    }
}

void options_parse(struct load_options *options, int argc, char **argv)
{
    int option;

    *options = (struct load_options){.label = "", .topic = "bench", .partitions = 8, .replicas = 1, .connections = 8,
                                     .depth = 5, .record_size = 1024, .records = 15, .acks = 1, .warmup_s = 2,
                                     .seconds = 4, .max_bytes = 1u << 20, .timeout_s = 30, .fill_bytes = 1u << 30};
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!set_number(options, option, optarg)) {
            set_other(options, option, optarg);
        }
    }
    if (optind + 1 != argc || options->port == 0) {
        fputs(help, stderr);
        exit(2);
    }
    set_mode(options, argv[optind]);
    if (strlen(options->topic) > 100) {
        load_fail("the topic's name is too long for this tool");
    }
    if (options->tail > 0 && options->codec != COMPRESSION_NONE) {
        load_fail("--tail needs uncompressed batches: they carry the time");
    }
}
