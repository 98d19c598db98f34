/* DescribeConfigs, from the committed image. */
#include "controller/api/api.h"

#include "common/config/config_describe.h"

void api_describe_configs(struct rpc_request *request)
{
    const struct machine *machine = api_machine(request);
    const struct config_describe_options options = {
        .image = machine->image,
        .config = machine->options.config,
        .own_id = -1,
    };

    api_hold_image(request, api_machine(request)->image);
    config_describe_drop_repeated(request->body);
    config_describe(&options, request->body, &request->arena, request->response);
    rpc_request_complete(request);
}
