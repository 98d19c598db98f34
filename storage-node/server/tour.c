/* A request visits every loop. */
#include "storage-node/server/tour.h"

static void tour_arrive(struct rpc_request *request)
{
    struct tour *tour = request->cancel_context;

    tour->visit(shard_at(tour->home, (tour->home->index + tour->visited) % tour->home->count), tour);
}

void tour_start(struct rpc_request *request, tour_visit visit, void (*finish)(struct tour *tour), void *context)
{
    struct tour *tour = arena_need(&request->arena, 1, sizeof(*tour));

    *tour = (struct tour){
        .request = request, .home = shard_of_request(request), .context = context, .visit = visit, .finish = finish};
    /* Not cancelled when the connection closes: a tour is short. The place is free to find the tour by. */
    request->cancel_context = tour;
    tour_arrive(request);
}

void tour_next(struct tour *tour)
{
    struct shard *next;

    tour->visited++;
    if (tour->visited == tour->home->count) {
        tour->finish(tour);
        return;
    }
    next = shard_at(tour->home, (tour->home->index + tour->visited) % tour->home->count);
    rpc_request_run_on(tour->request, next->env, tour_arrive);
}
