/* Values that several keys make together, and rules between keys, for both programs. */
#include "common/config/server_config.h"

#include "common/base/assert.h"
#include "common/base/uuid.h"

/* For texts that the config's own reading has accepted already. */
static void must_parse(enum status status)
{
    ASSERT(status == STATUS_OK);
}

struct config_listener *server_config_listeners(const struct config *config, struct arena *arena, size_t *count)
{
    const struct config_entry *entry = config_find(config, STRING("listeners"));
    struct config_problem problem;
    struct config_listener *listeners;

    must_parse(config_listeners_parse(&entry->value, arena, &listeners, count, &problem));
    return listeners;
}

static bool listens_everywhere(struct string host)
{
    return host.size == 0 || string_is(host, "0.0.0.0") || string_is(host, "::");
}

struct config_listener *server_config_advertised(const struct config *config, struct arena *arena, size_t *count)
{
    const struct config_entry *entry = config_find(config, STRING("advertised.listeners"));
    struct config_listener *listeners = server_config_listeners(config, arena, count);
    struct config_listener *advertised;
    struct config_problem problem;
    size_t advertised_count;

    must_parse(config_listeners_parse(&entry->value, arena, &advertised, &advertised_count, &problem));
    for (size_t i = 0; i < *count; i++) {
        if (listens_everywhere(listeners[i].address.host)) {
            listeners[i].address.host = STRING("localhost");
        }
        for (size_t k = 0; k < advertised_count; k++) {
            if (string_equal(listeners[i].name, advertised[k].name)) {
                listeners[i] = advertised[k];
            }
        }
    }
    return listeners;
}

struct config_voter *server_config_voters(const struct config *config, struct arena *arena, size_t *count)
{
    const struct config_entry *entry = config_find(config, STRING("controller.quorum.voters"));
    struct config_problem problem;
    struct config_voter *voters;

    must_parse(config_voters_parse(&entry->value, arena, &voters, count, &problem));
    return voters;
}

struct config_address *server_config_controllers(const struct config *config, struct arena *arena, size_t *count)
{
    const struct config_entry *entry = config_find(config, STRING("controller.quorum.bootstrap.servers"));
    struct config_problem problem;
    struct config_address *addresses;
    struct config_voter *voters;

    must_parse(config_addresses_parse(&entry->value, arena, &addresses, count, &problem));
    if (*count > 0) {
        return addresses;
    }
    voters = server_config_voters(config, arena, count);
    addresses = arena_need(arena, *count, sizeof(*addresses));
    for (size_t i = 0; i < *count; i++) {
        addresses[i] = voters[i].address;
    }
    return addresses;
}

/* The first given of some keys, in milliseconds whatever their units; negative stays -1, too much is INT64_MAX. */
static int64_t first_given_ms(const struct config *config, const char *const *names)
{
    const struct config_entry *entry = config_first_given(config, names);
    const enum config_unit unit = entry->definition->unit;
    const int64_t factor = unit == CONFIG_UNIT_HOURS ? 3600000 : unit == CONFIG_UNIT_MINUTES ? 60000 : 1;
    int64_t ms;

    if (entry->value.integer < 0) {
        return -1;
    }
    return __builtin_mul_overflow(entry->value.integer, factor, &ms) ? INT64_MAX : ms;
}

uint32_t server_config_connections_per_address(const struct config *config)
{
    const int32_t limit = config_int32(config, "max.connections.per.ip");

    return limit == INT32_MAX ? UINT32_MAX : (uint32_t)limit;
}

struct listener_options server_config_sockets(const struct config *config)
{
    return (struct listener_options){
        .backlog = config_int32(config, "socket.listen.backlog.size"),
        .receive_buffer_bytes = config_int32(config, "socket.receive.buffer.bytes"),
        .send_buffer_bytes = config_int32(config, "socket.send.buffer.bytes"),
    };
}

int64_t server_config_roll_ms(const struct config *config)
{
    static const char *const names[] = {"log.roll.ms", "log.roll.hours", NULL};

    return first_given_ms(config, names);
}

int64_t server_config_roll_jitter_ms(const struct config *config)
{
    static const char *const names[] = {"log.roll.jitter.ms", "log.roll.jitter.hours", NULL};

    return first_given_ms(config, names);
}

int64_t server_config_retention_ms(const struct config *config)
{
    static const char *const names[] = {"log.retention.ms", "log.retention.minutes", "log.retention.hours", NULL};

    return first_given_ms(config, names);
}

static bool list_contains(const struct string *items, size_t count, struct string item)
{
    for (size_t i = 0; i < count; i++) {
        if (string_equal(items[i], item)) {
            return true;
        }
    }
    return false;
}

/* process.roles may only name the program's own role: both in one process is Kafka's combined mode. */
static enum status check_roles(const struct config *config, const char *role, struct config_problem *problem)
{
    size_t count;
    const struct string *roles = config_list(config, "process.roles", &count);

    if (count == 0 || (count == 1 && string_is(roles[0], role))) {
        return STATUS_OK;
    }
    config_problem_set(problem,
                       "process.roles: this program is a %s only; controllers run as millrace-controller and storage "
                       "nodes as millrace-node, each with its own file",
                       role);
    return STATUS_INVALID;
}

/* Every listener needs a protocol, by the map or by being named after one, and the only one is PLAINTEXT. */
static enum status check_protocols(const struct config *config, struct arena *arena, struct config_problem *problem)
{
    size_t count;
    size_t map_count;
    const struct config_listener *listeners = server_config_listeners(config, arena, &count);
    const struct string *map = config_list(config, "listener.security.protocol.map", &map_count);

    for (size_t i = 0; i < count; i++) {
        struct string wanted = arena_format(arena, "%.*s:PLAINTEXT", STRING_ARGS(listeners[i].name));

        if (!list_contains(map, map_count, wanted)) {
            config_problem_set(problem,
                               "listeners: %.*s is not mapped to PLAINTEXT by listener.security.protocol.map, and this "
                               "version speaks nothing else",
                               STRING_ARGS(listeners[i].name));
            return STATUS_INVALID;
        }
    }
    if (count == 0) {
        config_problem_set(problem, "listeners: at least one is needed");
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status check_advertised(const struct config *config, struct arena *arena, struct config_problem *problem)
{
    const struct config_entry *entry = config_find(config, STRING("advertised.listeners"));
    size_t listener_count;
    size_t count;
    const struct config_listener *listeners = server_config_listeners(config, arena, &listener_count);
    struct config_listener *advertised;

    must_parse(config_listeners_parse(&entry->value, arena, &advertised, &count, problem));
    for (size_t i = 0; i < count; i++) {
        bool known = false;

        for (size_t k = 0; k < listener_count; k++) {
            known = known || string_equal(listeners[k].name, advertised[i].name);
        }
        if (!known) {
            config_problem_set(problem, "advertised.listeners: %.*s is not one of the listeners",
                               STRING_ARGS(advertised[i].name));
            return STATUS_INVALID;
        }
        if (listens_everywhere(advertised[i].address.host) || advertised[i].address.port == 0) {
            config_problem_set(problem,
                               "advertised.listeners: %.*s needs a host and a port that clients can connect to",
                               STRING_ARGS(advertised[i].name));
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

enum status server_config_check(const struct config *config, struct arena *arena, const char *role,
                                struct config_problem *problem)
{
    const char *cluster_id = config_string(config, "cluster.id");
    struct uuid parsed;
    size_t count;
    enum status status = check_roles(config, role, problem);

    if (status == STATUS_OK) {
        status = check_protocols(config, arena, problem);
    }
    if (status == STATUS_OK) {
        status = check_advertised(config, arena, problem);
    }
    if (status == STATUS_OK) {
        (void)server_config_controllers(config, arena, &count);
        if (count == 0) {
            config_problem_set(problem, "controller.quorum.voters is required: it says where the controllers are, as "
                                        "1@host:9093,2@host:9093,3@host:9093");
            return STATUS_INVALID;
        }
    }
    if (status == STATUS_OK && cluster_id != NULL && uuid_parse(string_of(cluster_id), &parsed) != STATUS_OK) {
        config_problem_set(problem, "cluster.id: \"%s\" is not 22 characters of URL-safe base64", cluster_id);
        return STATUS_INVALID;
    }
    return status;
}
