/* The command line: what is taken, with which defaults, and what is refused with exit status 2 and a clear line. */
#include "server/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUIRED "--data", "/tmp/x", "--node-id", "n1", "--listen", "127.0.0.1:0"
#define ARGS(...)                                                                                                      \
    (char *[])                                                                                                         \
    {                                                                                                                  \
        "symwaved", __VA_ARGS__, NULL                                                                                  \
    }

static int count_of(char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return argc;
}

static struct sw_config parse(char **argv)
{
    struct sw_config config;
    sw_config_parse(&config, count_of(argv), argv);
    return config;
}

/* Parses in a child and returns its exit status; what it prints to a descriptor goes to text. */
static int exit_status(char **argv, int descriptor, char *text, size_t text_bytes)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], descriptor);
        struct sw_config config;
        sw_config_parse(&config, count_of(argv), argv);
        _exit(99); /* accepted */
    }
    close(ends[1]);
    size_t count = 0;
    for (ssize_t n; (n = read(ends[0], text + count, text_bytes - 1 - count)) > 0;)
        count += (size_t)n;
    text[count] = '\0';
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void assert_refused(char **argv, const char *part)
{
    char text[4096];
    int status = exit_status(argv, STDERR_FILENO, text, sizeof(text));
    if (status != 2 || !strstr(text, part))
        fail_msg("exit status %d instead of 2, or no \"%s\" in: %s", status, part, text);
}

static void test_three_options_are_enough(void **state)
{
    (void)state;
    struct sw_config config = parse(ARGS(REQUIRED));
    assert_string_equal(config.data, "/tmp/x");
    assert_string_equal(config.node_id, "n1");
    assert_string_equal(config.listen, "127.0.0.1:0");
    assert_int_equal(config.limits.keys_max, 5000);
    assert_int_equal(config.limits.value_bytes_max, 262144);
    assert_int_equal(config.limits.message_bytes_max, 4194304);
    assert_int_equal(config.limits.store_symbols_max, 16384);
    assert_int_equal(config.limits.store_bytes_max, 268435456);
    assert_int_equal(config.limits.calls_bytes_max, 1073741824);
    assert_int_equal(config.workers, 8);
    assert_int_equal(config.grace_ms, 10000);
    assert_int_equal(config.log_level, SW_LOG_INFO);
    assert_int_equal(config.log_format, SW_LOG_LOGFMT);
}

static void test_symbols_of_a_store_follow_the_size_of_a_message(void **state)
{
    (void)state;
    struct sw_config config = parse(ARGS(REQUIRED, "--message-bytes-max=1M"));
    assert_int_equal(config.limits.store_symbols_max, 6512); /* 1,048,576 / 161 */
}

static void test_every_option_is_taken(void **state)
{
    (void)state;
    struct sw_config config =
        parse(ARGS(REQUIRED, "--keys-max=600", "--value-bytes-max=64K", "--message-bytes-max", "1m",
                   "--store-symbols-max=100", "--store-bytes-max=2G", "--calls-bytes-max=3000000", "--workers=1",
                   "--grace-ms=0", "--log-level=debug", "--log-format=json"));
    assert_int_equal(config.limits.keys_max, 600);
    assert_int_equal(config.limits.value_bytes_max, 65536);
    assert_int_equal(config.limits.message_bytes_max, 1048576);
    assert_int_equal(config.limits.store_symbols_max, 100);
    assert_int_equal(config.limits.store_bytes_max, 2147483648);
    assert_int_equal(config.limits.calls_bytes_max, 3000000);
    assert_int_equal(config.workers, 1);
    assert_int_equal(config.grace_ms, 0);
    assert_int_equal(config.log_level, SW_LOG_DEBUG);
    assert_int_equal(config.log_format, SW_LOG_JSON);
    assert_null(config.store_fault);
    config = parse(ARGS(REQUIRED, "--store-fault=rate=1000,corrupt=5"));
    assert_string_equal(config.store_fault, "rate=1000,corrupt=5");
    assert_int_equal(config.faults.rate_bytes, 1000);
    assert_int_equal(config.faults.corrupt_percent, 5);
    static const char *const addresses[] = {"localhost:7400", "[::1]:7400", "0.0.0.0:65535", "unix:/tmp/socket"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(parse(ARGS(REQUIRED, "--listen", (char *)addresses[i])).listen, addresses[i]);
}

static void test_what_is_missing_is_named(void **state)
{
    (void)state;
    assert_refused(ARGS("--node-id", "a", "--listen", "h:1"), "--data DIR is missing");
    assert_refused(ARGS("--data", "a", "--listen", "h:1"), "--node-id ID is missing");
    assert_refused(ARGS("--data", "a", "--node-id", "b"), "--listen HOST:PORT is missing");
    assert_refused(ARGS(REQUIRED, "--data"), "--data");
}

static void test_wrong_values_are_named_with_their_bounds(void **state)
{
    (void)state;
    assert_refused(ARGS(REQUIRED, "--keys-max", "0"), "--keys-max: 0 is out of bounds; it may be 1 to 8192");
    assert_refused(ARGS(REQUIRED, "--keys-max", "1K"), "--keys-max: \"1K\" is not a number");
    assert_refused(ARGS(REQUIRED, "--keys-max", "-5"), "--keys-max: \"-5\" is not a number");
    assert_refused(ARGS(REQUIRED, "--keys-max", ""), "is not a number");
    assert_refused(ARGS(REQUIRED, "--value-bytes-max", "257K"), "it may be 1 to 262144");
    assert_refused(ARGS(REQUIRED, "--store-bytes-max", "12X"), "\"12X\" is not a size");
    assert_refused(ARGS(REQUIRED, "--store-bytes-max", "1KK"), "\"1KK\" is not a size");
    assert_refused(ARGS(REQUIRED, "--store-bytes-max", "99999999999999999999999"), "out of bounds");
    assert_refused(ARGS(REQUIRED, "--store-bytes-max", "18446744073709551615G"), "out of bounds");
    assert_refused(ARGS(REQUIRED, "--workers", "257"), "--workers: 257 is out of bounds");
    assert_refused(ARGS(REQUIRED, "--log-level", "loud"), "--log-level: \"loud\" is none of");
    assert_refused(ARGS(REQUIRED, "--log-format", "xml"), "--log-format: \"xml\"");
    assert_refused(ARGS(REQUIRED, "--node-id", "a b"), "--node-id: ");
    assert_refused(ARGS(REQUIRED, "--node-id", ""), "--node-id: ");
    static const char *const addresses[] = {"", "host", ":1", "host:", "host:x", "host:65536", "host:-1", "host:1x"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        assert_refused(ARGS(REQUIRED, "--listen", (char *)addresses[i]), "is not HOST:PORT");
    assert_refused(ARGS(REQUIRED, "--store-fault", "slow"), "--store-fault: \"slow\" is no fault");
    assert_refused(ARGS(REQUIRED, "more"), "\"more\" is one argument too many");
    assert_refused(ARGS(REQUIRED, "--nonsense"), "--nonsense");
}

static void test_limits_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    /* 524,288 / 161 = 3,256 results fit into a message of 512 KiB. */
    assert_refused(ARGS(REQUIRED, "--message-bytes-max=512K", "--store-symbols-max=3257"), "it may be at most 3256");
    parse(ARGS(REQUIRED, "--message-bytes-max=512K", "--store-symbols-max=3256"));
    assert_refused(ARGS(REQUIRED, "--calls-bytes-max=8388607"), "--calls-bytes-max");
    parse(ARGS(REQUIRED, "--calls-bytes-max=8M"));
}

static void test_help_and_version_go_to_standard_output(void **state)
{
    (void)state;
    char text[8192];
    assert_int_equal(exit_status(ARGS("--help"), STDOUT_FILENO, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "symwaved --data /var/lib/symwave --node-id node-1 --listen 127.0.0.1:7400"));
    assert_int_equal(exit_status(ARGS("--version"), STDOUT_FILENO, text, sizeof(text)), 0);
    assert_string_equal(text, "symwaved " SYMWAVE_VERSION "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_options_are_enough),
        cmocka_unit_test(test_symbols_of_a_store_follow_the_size_of_a_message),
        cmocka_unit_test(test_every_option_is_taken),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_wrong_values_are_named_with_their_bounds),
        cmocka_unit_test(test_limits_that_contradict_each_other_are_refused),
        cmocka_unit_test(test_help_and_version_go_to_standard_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
