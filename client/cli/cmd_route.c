/* `symwave route`: which nodes a key is asked of, and which first. Asks nobody. */
#include "client/cli/cli.h"
#include "client/cli/json_output.h"
#include "client/cli/key_list.h"
#include <stdio.h>
#include <stdlib.h>

struct route_options {
    struct key_list keys;
    const char *task_id;
};

static const char doc[] =
    "Prints \"KEY<TAB>BASE<TAB>NODE...\" for each key: its candidate nodes, nearest first, and the index among them of "
    "its primary, which a fetch of the task asks first."
    "\vExample:\n"
    "  symwave --nodes nodes.yaml route --task t1 AsYuNN2njx3YHMjnGt7AGtKbZ9wF2qp8VsaG9Uu6xcuh";

static const struct argp_option options[] = {
    {"task", 't', "ID", 0, "The task that the fetch is for; default none", 0},
    {"keys", 'k', "FILE", 0, "Keys from a file, one a line; - is standard input", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;
    struct route_options *own = input->own;
    struct sw_error error;
    enum sw_status status;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case 't':
        own->task_id = arg;
        return 0;
    case 'k':
        status = key_list_read(&own->keys, arg, &error);
        if (status == SW_INVALID_ARGUMENT)
            usage_error(input->common, "%s", error.message);
        if (status != SW_OK) {
            print_error("%s", error.message);
            exit(EXIT_LOCAL);
        }
        return 0;
    case ARGP_KEY_ARG:
        if (key_list_add(&own->keys, arg, &error) != SW_OK)
            usage_error(input->common, "%s", error.message);
        return 0;
    case ARGP_KEY_END:
        if (own->keys.count == 0)
            usage_error(input->common, "which keys?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_route(const struct sw_key *key, const struct sw_route *route)
{
    char text[SW_KEY_BASE58_SIZE];

    sw_key_to_base58(key, text);
    printf("%s\t%u", text, route->base);
    for (uint32_t i = 0; i < route->candidate_count; i++)
        printf("\t%s", route->candidates[i].id);
    putchar('\n');
}

enum exit_status cmd_route(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "KEY...", .doc = doc, .children = common_options_child};
    struct route_options own = {.task_id = ""};
    struct command_input input = {.common = common, .own = &own};
    struct sw_client_options client_options = SW_CLIENT_OPTIONS_INIT;
    struct session session;
    struct sw_error error;

    command_parse(&argp, argc, argv, &input);
    enum exit_status result = session_open(common, &client_options, false, &session);
    if (result != EXIT_DONE)
        goto out;
    if (common->json)
        json_routes_begin(own.task_id);
    for (size_t i = 0; i < own.keys.count && result == EXIT_DONE; i++) {
        struct sw_route route;
        enum sw_status status = sw_client_route(session.client, &own.keys.keys[i], own.task_id, &route, &error);
        if (status != SW_OK) {
            print_error("%s", error.message);
            result = exit_status_of(status);
        } else if (common->json) {
            json_routes_add(&own.keys.keys[i], &route);
        } else {
            print_route(&own.keys.keys[i], &route);
        }
    }
    if (common->json)
        json_routes_end();
    session_close(&session);
out:
    key_list_clear(&own.keys);
    return result;
}
