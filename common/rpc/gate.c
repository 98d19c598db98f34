/* Places for connections: see gate.h. */
#include "common/rpc/gate.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

struct gate_address {
    uint64_t hash;
    uint32_t places;
    char text[NET_ADDRESS_TEXT_MAX]; /* without the port */
};

struct rpc_place {
    struct env_message message;
    struct rpc_gate *gate;
    struct gate_address *address; /* NULL: not counted */
};

void rpc_gate_init(struct rpc_gate *gate, struct env *env, uint32_t places_max, uint32_t places_per_address_max)
{
    *gate = (struct rpc_gate){.env = env, .places_max = places_max, .places_per_address_max = places_per_address_max};
    map_init(&gate->addresses);
}

void rpc_gate_deinit(struct rpc_gate *gate)
{
    ASSERT(gate->places == 0 && gate->addresses.count == 0);
    map_deinit(&gate->addresses);
}

static bool address_is(const void *value, const void *key)
{
    return strcmp(((const struct gate_address *)value)->text, key) == 0;
}

/* The entry of the peer's address, made if it is not there. */
static struct gate_address *gate_address_of(struct rpc_gate *gate, const struct net_accepted *accepted)
{
    char text[NET_ADDRESS_TEXT_MAX];
    struct gate_address *address;
    char *port;
    uint64_t hash;

    net_accepted_peer(gate->env->net, accepted, text);
    port = strrchr(text, ':');
    if (port != NULL) {
        *port = '\0';
    }
    hash = hash_bytes(text, strlen(text));
    address = map_find(&gate->addresses, hash, address_is, text);
    if (address == NULL) {
        address = memory_alloc_zero(1, sizeof(*address));
        address->hash = hash;
        memcpy(address->text, text, strlen(text) + 1);
        map_insert(&gate->addresses, hash, address);
    }
    return address;
}

struct rpc_place *rpc_gate_enter(struct rpc_gate *gate, const struct net_accepted *accepted)
{
    struct gate_address *address = NULL;
    struct rpc_place *place;

    if (gate->places >= gate->places_max) {
        return NULL;
    }
    if (gate->places_per_address_max != UINT32_MAX) {
        address = gate_address_of(gate, accepted);
        if (address->places >= gate->places_per_address_max) {
            return NULL;
        }
        address->places++;
    }
    gate->places++;
    place = memory_alloc_zero(1, sizeof(*place));
    place->gate = gate;
    place->address = address;
    return place;
}

static void place_free(struct rpc_place *place)
{
    struct rpc_gate *gate = place->gate;
    struct gate_address *address = place->address;

    gate->places--;
    if (address != NULL && --address->places == 0) {
        (void)map_remove(&gate->addresses, address->hash, address);
        memory_free(address);
    }
    memory_free(place);
}

static void place_came_back(struct env_message *message)
{
    place_free(CONTAINER_OF(message, struct rpc_place, message));
}

void rpc_place_leave(struct rpc_place *place, struct env *env)
{
    if (place == NULL) {
        return;
    }
    if (place->gate->env == env) {
        place_free(place);
        return;
    }
    place->message.deliver = place_came_back;
    env_post(place->gate->env, &place->message);
}
