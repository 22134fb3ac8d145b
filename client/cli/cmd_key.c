/* `symwave key`: a key in its three text forms. */
#include "client/cli/cli.h"
#include "client/cli/json_output.h"
#include "client/cli/key_list.h"
#include "common/format.h"
#include <stdio.h>

static const char doc[] = "Prints keys in base58, hex and base64. Each may be given in any of the three."
                          "\vExamples:\n"
                          "  symwave key AsYuNN2njx3YHMjnGt7AGtKbZ9wF2qp8VsaG9Uu6xcuh\n"
                          "  symwave key $(b3sum --no-names FILE)";

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct command_input *input = state->input;
    struct sw_error error;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = input->common;
        return 0;
    case ARGP_KEY_ARG:
        if (key_list_add(input->own, arg, &error) != SW_OK)
            usage_error(input->common, "%s", error.message);
        return 0;
    case ARGP_KEY_NO_ARGS:
        usage_error(input->common, "which key?");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

enum exit_status cmd_key(int argc, char **argv, struct common_options *common)
{
    static const struct argp argp = {
        .parser = parse, .args_doc = "TEXT...", .doc = doc, .children = common_options_child};
    struct key_list keys = {NULL, 0, 0};
    struct command_input input = {.common = common, .own = &keys};
    char text[SW_KEY_HEX_SIZE];

    command_parse(&argp, argc, argv, &input);
    for (size_t i = 0; i < keys.count; i++) {
        if (common->json) {
            json_print_key(&keys.keys[i]);
            continue;
        }
        sw_key_to_base58(&keys.keys[i], text);
        printf("base58 %s\n", text);
        sw_key_to_hex(&keys.keys[i], text);
        printf("hex    %s\n", text);
        sw_key_to_base64(&keys.keys[i], text);
        printf("base64 %s\n", text);
    }
    key_list_clear(&keys);
    return EXIT_DONE;
}
