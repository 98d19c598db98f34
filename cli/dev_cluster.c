/* Members, ports and files of a local cluster: see dev_cluster.h. */
#include "cli/dev_cluster.h"

#include "common/base/assert.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_STEP 1000
/* Nodes stay on ports of one parity and controllers on the other, so that neither runs into the other's next one. */
#define PORT_RETRY_STEP 2

const char *dev_role_name(enum dev_role role)
{
    return role == DEV_CONTROLLER ? "controller" : "node";
}

char *dev_member_name(const struct dev_member *member, char text[32])
{
    snprintf(text, 32, "%s %d", dev_role_name(member->role), member->id);
    return text;
}

void dev_member_path(const struct dev_cluster *cluster, const struct dev_member *member, const char *suffix,
                     char path[DEV_PATH_MAX])
{
    const int size = snprintf(path, DEV_PATH_MAX, "%s/%s-%d%s", cluster->directory, dev_role_name(member->role),
                              member->id, suffix);

    ASSERT(size > 0 && size < DEV_PATH_MAX);
}

bool dev_port_busy(void *context, uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int reuse = 1;
    const int socket_descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool busy = true;

    (void)context;
    if (socket_descriptor >= 0) {
        /* Old connections in TIME_WAIT do not count: servers listen with the same option. */
        setsockopt(socket_descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
        busy = bind(socket_descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
               listen(socket_descriptor, 1) != 0;
        close(socket_descriptor);
    }
    return busy;
}

static bool port_taken(const struct dev_cluster *cluster, uint32_t port)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].port == port) {
            return true;
        }
    }
    return false;
}

static enum status plan_member(struct dev_cluster *cluster, enum dev_role role, int id, uint32_t port,
                               bool (*busy)(void *context, uint16_t port), void *context)
{
    while (port <= UINT16_MAX && (port_taken(cluster, port) || busy(context, (uint16_t)port))) {
        port += PORT_RETRY_STEP;
    }
    if (port > UINT16_MAX || cluster->member_count == DEV_MEMBERS_MAX) {
        return STATUS_FULL;
    }
    cluster->members[cluster->member_count++] = (struct dev_member){.role = role, .id = id, .port = (uint16_t)port};
    return STATUS_OK;
}

enum status dev_cluster_plan(struct dev_cluster *cluster, const struct dev_layout *layout,
                             bool (*busy)(void *context, uint16_t port), void *context)
{
    enum status status = STATUS_OK;

    cluster->member_count = 0;
    for (int i = 0; i < layout->controllers && status == STATUS_OK; i++) {
        status = plan_member(cluster, DEV_CONTROLLER, DEV_CONTROLLER_ID_MIN + i,
                             layout->port + 1u + (uint32_t)i * PORT_STEP, busy, context);
    }
    for (int i = 0; i < layout->nodes && status == STATUS_OK; i++) {
        status = plan_member(cluster, DEV_NODE, i + 1, layout->port + (uint32_t)i * PORT_STEP, busy, context);
    }
    return status;
}

void dev_cluster_format(const struct dev_cluster *cluster, struct buffer *out)
{
    buffer_append_format(out, "# Written by millrace dev up.\ncluster.id=%s\n", cluster->cluster_id);
    for (size_t i = 0; i < cluster->member_count; i++) {
        const struct dev_member *member = &cluster->members[i];

        buffer_append_format(out, "%s.%d=%u\n", dev_role_name(member->role), member->id, member->port);
    }
}

/* NOT_FOUND if the text does not name the member. */
static enum status parse_member(struct string text, enum dev_role role, int id, struct dev_cluster *cluster)
{
    char address_text[32];
    char key[32];
    struct address_list address;

    snprintf(key, sizeof(key), "%s.%d", dev_role_name(role), id);
    const struct string port = properties_find(text, key);

    if (port.data == NULL) {
        return STATUS_NOT_FOUND;
    }
    snprintf(address_text, sizeof(address_text), DEV_HOST ":%.*s", port.size < 8 ? (int)port.size : 8, port.data);
    if (address_list_parse(string_of(address_text), 0, &address) != STATUS_OK || address.count != 1 ||
        cluster->member_count == DEV_MEMBERS_MAX) {
        return STATUS_CORRUPT;
    }
    cluster->members[cluster->member_count++] =
        (struct dev_member){.role = role, .id = id, .port = address.items[0].port};
    return STATUS_OK;
}

enum status dev_cluster_parse(struct string text, struct dev_cluster *cluster)
{
    const struct string cluster_id = properties_find(text, "cluster.id");

    cluster->member_count = 0;
    if (cluster_id.size != UUID_TEXT_SIZE) {
        return STATUS_CORRUPT;
    }
    memcpy(cluster->cluster_id, cluster_id.data, UUID_TEXT_SIZE);
    cluster->cluster_id[UUID_TEXT_SIZE] = '\0';
    for (int role = DEV_CONTROLLER; role <= DEV_NODE; role++) {
        for (int id = 1; id < DEV_CONTROLLER_ID_MIN + DEV_MEMBERS_MAX; id++) {
            const enum status status = parse_member(text, (enum dev_role)role, id, cluster);

            if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
                return status;
            }
        }
    }
    return cluster->member_count > 0 ? STATUS_OK : STATUS_CORRUPT;
}

void dev_cluster_voters(const struct dev_cluster *cluster, struct buffer *out)
{
    const char *comma = "";

    for (size_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].role == DEV_CONTROLLER) {
            buffer_append_format(out, "%s%d@" DEV_HOST ":%u", comma, cluster->members[i].id, cluster->members[i].port);
            comma = ",";
        }
    }
}

void dev_cluster_addresses(const struct dev_cluster *cluster, enum dev_role role, struct buffer *out)
{
    const char *comma = "";

    for (size_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].role == role) {
            buffer_append_format(out, "%s" DEV_HOST ":%u", comma, cluster->members[i].port);
            comma = ",";
        }
    }
}

void dev_member_properties(const struct dev_cluster *cluster, const struct dev_member *member, struct string extra,
                           struct buffer *out)
{
    const bool controller = member->role == DEV_CONTROLLER;
    const char *listener = controller ? "CONTROLLER" : "PLAINTEXT";

    buffer_append_format(out,
                         "# Written by millrace dev up; changes are kept until dev down --purge.\n"
                         "process.roles=%s\nnode.id=%d\ncluster.id=%s\n"
                         "listeners=%s://" DEV_HOST ":%u\nadvertised.listeners=%s://" DEV_HOST ":%u\n"
                         "controller.listener.names=CONTROLLER\ncontroller.quorum.voters=",
                         controller ? "controller" : "broker", member->id, cluster->cluster_id, listener, member->port,
                         listener, member->port);
    dev_cluster_voters(cluster, out);
    buffer_append_format(out, "\n%s=%s/data/%s-%d\n", controller ? "metadata.log.dir" : "log.dirs", cluster->directory,
                         dev_role_name(member->role), member->id);
    buffer_append(out, extra.data != NULL ? extra.data : "", extra.size);
}

bool dev_member_process(const struct dev_cluster *cluster, const struct dev_member *member, struct process_id *id)
{
    char path[DEV_PATH_MAX];

    dev_member_path(cluster, member, ".pid", path);
    return process_file_read(path, id) == STATUS_OK && process_runs(*id);
}
