/* How many connections a process may have open: in all (max.connections) and from one address
 * (max.connections.per.ip), over all its loops.
 *
 * The gate belongs to the loop that accepts. A connection gets its place there before it is handed to a loop; another
 * loop gives it back by a message, so nothing is shared. */
#ifndef RPC_GATE_H
#define RPC_GATE_H

#include "common/base/map.h"
#include "common/env/env.h"
#include "common/env/net.h"

#include <stdint.h>

struct rpc_place;

struct rpc_gate {
    struct env *env; /* of the loop that accepts */
    uint32_t places_max;
    uint32_t places_per_address_max; /* UINT32_MAX: addresses are not counted */
    uint32_t places;                 /* taken */
    struct map addresses;            /* of struct gate_address; only those with connections */
};

void rpc_gate_init(struct rpc_gate *gate, struct env *env, uint32_t places_max, uint32_t places_per_address_max);
/* After the last place has come back. */
void rpc_gate_deinit(struct rpc_gate *gate);
/* A place for `accepted`, which stays the caller's; NULL if there is none for it. On the gate's loop. */
struct rpc_place *rpc_gate_enter(struct rpc_gate *gate, const struct net_accepted *accepted);
/* On the loop of `env`, any of the process. Takes `place`; NULL is allowed and does nothing. */
void rpc_place_leave(struct rpc_place *place, struct env *env);

#endif
