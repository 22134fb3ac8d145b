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

static void assert_taken(char **argv)
{
    struct sw_config config = parse(argv);
    sw_config_clear(&config);
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

static void test_a_node_that_registers_says_where_it_is_reached(void **state)
{
    (void)state;
    assert_taken(ARGS(REQUIRED, "--etcd-endpoints", "h:2379,i:2379"));
    assert_taken(ARGS("--data", "d", "--node-id", "n", "--listen", "0.0.0.0:1", "--insecure", "--etcd-endpoints", "h:1",
                      "--advertise", "node.example:1"));
    assert_refused(
        ARGS("--data", "d", "--node-id", "n", "--listen", "0.0.0.0:1", "--insecure", "--etcd-endpoints", "h:1"),
        "--advertise");
    assert_refused(ARGS("--data", "d", "--node-id", "n", "--listen", "[::]:1", "--insecure", "--etcd-endpoints", "h:1"),
                   "--advertise");
    assert_refused(ARGS(REQUIRED, "--advertise", "nowhere"), "--advertise: ");
    assert_refused(ARGS(REQUIRED, "--etcd-tls-ca", "/tmp/x"), "--etcd-endpoints");
    assert_refused(ARGS(REQUIRED, "--etcd-ttl-seconds", "1"), "etcd-ttl-seconds");
}

static void test_id_is_the_node_id_and_no_abbreviation(void **state)
{
    (void)state;
    struct sw_config config = parse(ARGS("--data", "/tmp/x", "--id", "n7", "--listen", "127.0.0.1:0"));
    assert_string_equal(config.node_id, "n7");
    sw_config_clear(&config);
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
    sw_config_clear(&config);
}

static void test_symbols_of_a_store_follow_the_size_of_a_message(void **state)
{
    (void)state;
    struct sw_config config = parse(ARGS(REQUIRED, "--message-bytes-max=1M"));
    assert_int_equal(config.limits.store_symbols_max, 6512); /* 1,048,576 / 161 */
    sw_config_clear(&config);
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
    sw_config_clear(&config);
    config = parse(ARGS(REQUIRED, "--store-fault=rate=1000,corrupt=5"));
    assert_string_equal(config.store_fault, "rate=1000,corrupt=5");
    assert_int_equal(config.faults.rate_bytes, 1000);
    assert_int_equal(config.faults.corrupt_percent, 5);
    sw_config_clear(&config);
    static const char *const addresses[] = {"localhost:7400", "[::1]:7400", "0.0.0.0:65535", "unix:/tmp/socket"};
    for (size_t i = 0; i < 4; i++) {
        config = parse(ARGS(REQUIRED, "--insecure", "--listen", (char *)addresses[i]));
        assert_string_equal(config.listen, addresses[i]);
        sw_config_clear(&config);
    }
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
    assert_refused(ARGS(REQUIRED, "--listen", ""), "--listen: it is empty; leave it out, or say HOST:PORT");
    static const char *const addresses[] = {"host", ":1", "host:", "host:x", "host:65536", "host:-1", "host:1x"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        assert_refused(ARGS(REQUIRED, "--listen", (char *)addresses[i]), "is not HOST:PORT");
    assert_refused(ARGS(REQUIRED, "--store-fault", "slow"), "--store-fault: \"slow\" is no fault");
    assert_refused(ARGS(REQUIRED, "more"), "there is no command \"more\"");
    assert_refused(ARGS(REQUIRED, "--nonsense"), "--nonsense");
}

static void test_limits_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    /* 524,288 / 161 = 3,256 results fit into a message of 512 KiB. */
    assert_refused(ARGS(REQUIRED, "--message-bytes-max=512K", "--store-symbols-max=3257"), "it may be at most 3256");
    assert_taken(ARGS(REQUIRED, "--message-bytes-max=512K", "--store-symbols-max=3256"));
    assert_refused(ARGS(REQUIRED, "--calls-bytes-max=8388607"), "--calls-bytes-max");
    assert_taken(ARGS(REQUIRED, "--calls-bytes-max=8M"));
    assert_refused(ARGS(REQUIRED, "--peer-bytes-max=8388607"), "--peer-bytes-max");
}

static void test_a_node_beyond_loopback_has_tls_or_says_that_it_is_insecure(void **state)
{
    (void)state;
    static const char *const open[] = {"0.0.0.0:1", "[::]:1", "192.0.2.1:1", "node.example:1", "localhost.example:1"};
    static const char *const local[] = {"127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "localhost:1", "unix:/tmp/x"};
    for (size_t i = 0; i < 5; i++) {
        assert_refused(ARGS(REQUIRED, "--listen", (char *)open[i]), "is reached from other machines");
        assert_taken(ARGS(REQUIRED, "--listen", (char *)open[i], "--insecure"));
        assert_taken(ARGS(REQUIRED, "--listen", (char *)open[i], "--tls-certificate=c", "--tls-key=k"));
        assert_taken(ARGS(REQUIRED, "--listen", (char *)local[i]));
    }
    assert_refused(ARGS(REQUIRED, "--tls-certificate=c"), "--tls-key is missing");
    assert_refused(ARGS(REQUIRED, "--tls-key=k"), "--tls-certificate is missing");
    assert_refused(ARGS(REQUIRED, "--tls-client-ca=k"), "--tls-client-ca: it needs");
    assert_refused(ARGS(REQUIRED, "--tls-certificate=c", "--tls-key=k", "--tls-client-optional"),
                   "--tls-client-optional: it needs --tls-client-ca");
    assert_refused(ARGS(REQUIRED, "--read-identities=a"), "identities of certificates need --tls-client-ca");
}

/* ---- the file ---- */

static const char *write_file(const char *text)
{
    static char path[] = "/tmp/symwave-config-XXXXXX";
    strcpy(path + sizeof(path) - 7, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

/* A file that is refused with exit status 3 and "FILE:LINE:COLUMN: TEXT". */
static void assert_file_refused(const char *text, const char *place, const char *part)
{
    const char *path = write_file(text);
    char seen[4096], wanted[300];
    int status = exit_status(ARGS(REQUIRED, "--config", (char *)path), STDERR_FILENO, seen, sizeof(seen));
    snprintf(wanted, sizeof(wanted), "%s%s: %s", path, place, part);
    unlink(path);
    if (status != 3 || !strstr(seen, wanted))
        fail_msg("exit status %d instead of 3, or no \"%s\" in: %s", status, wanted, seen);
}

static void test_a_file_gives_what_the_command_line_does_not(void **state)
{
    (void)state;
    const char *path = write_file("# a node\ndata: /tmp/y\nnode-id: n2\nlisten: \"[::1]:7400\"\nkeys-max: 7\n"
                                  "log-level: debug\ninsecure: true\ncalls-bytes-max: 2G\n"
                                  "tls-certificate: c\ntls-key: k\ntls-client-ca: a\n"
                                  "read-identities: [spiffe://a/b, 'c.example']\nadmin-identities:\n  - d\n");
    struct sw_config config = parse(ARGS("--keys-max=8", "--config", (char *)path, "--insecure=false"));
    unlink(path);
    assert_string_equal(config.data, "/tmp/y");
    assert_string_equal(config.node_id, "n2");
    assert_string_equal(config.listen, "[::1]:7400");
    assert_int_equal(config.limits.keys_max, 8);
    assert_false(config.insecure);
    assert_int_equal(config.log_level, SW_LOG_DEBUG);
    assert_int_equal(config.limits.calls_bytes_max, (uint64_t)2 << 30);
    assert_int_equal(config.limits.peer_bytes_max, (uint64_t)1 << 30);
    assert_int_equal(config.read_access.identities.count, 2);
    assert_string_equal(config.read_access.identities.items[0], "spiffe://a/b");
    assert_string_equal(config.read_access.identities.items[1], "c.example");
    assert_int_equal(config.admin_access.identities.count, 1);
    sw_config_clear(&config);
    path = write_file("# nothing\n");
    config = parse(ARGS(REQUIRED, "--config", (char *)path));
    unlink(path);
    sw_config_clear(&config);
}

static void test_what_is_wrong_with_a_file_is_told_with_its_place(void **state)
{
    (void)state;
    assert_file_refused("keys-max: 5\nkeys_max: 6\n", ":2:1",
                        "there is no key \"keys_max\"; did you mean \"keys-max\"?");
    assert_file_refused("colour: red\n", ":1:1", "there is no key \"colour\"; symwaved --print-config lists them all");
    assert_file_refused("keys-max: 5\n\nkeys-max: 6\n", ":3:1", "keys-max: it is there a second time");
    assert_file_refused("keys-max: many\n", ":1:11", "keys-max: \"many\" is not a number");
    assert_file_refused("keys-max: 9000\n", ":1:11", "keys-max: 9000 is out of bounds; it may be 1 to 8192");
    assert_file_refused("insecure: yes\n", ":1:11", "insecure: \"yes\" is neither true nor false");
    assert_file_refused("keys-max: [5]\n", ":1:11", "keys-max: expected N");
    assert_file_refused("insecure: {a: b}\n", ":1:11", "insecure: expected true or false");
    assert_file_refused("read-identities: a\n", ":1:18", "read-identities: expected a list, as [NAME,...]");
    assert_file_refused("read-identities: [[a]]\n", ":1:19", "read-identities: expected texts in the list");
    assert_file_refused("workers: 2\nread-identities: []\n", ":2:19",
                        "read-identities: the list is empty; leave it out, or say [NAME,...]");
    assert_file_refused("data:\n", ":1:6", "data: it is empty");
    assert_file_refused("- a\n", ":1:1", "expected \"KEY: VALUE\" on each line");
    assert_file_refused("hello\n", ":1:1", "expected \"KEY: VALUE\" on each line");
    assert_file_refused("[a]: b\n", ":1:1", "expected the name of a key");
    assert_file_refused("keys-max: &a 5\nworkers: *a\n", ":2:10", "an alias; expected the value itself");
    assert_file_refused("keys-max: 5\n---\nworkers: 2\n", ":2:1", "a second document; expected one");
    assert_file_refused("data: \"a\\0b\"\n", ":1:7", "a NUL character");
    assert_file_refused("keys-max: \"5\n", ":2:1", "no YAML: ");
    /* What the command line overrides must be right too. */
    assert_file_refused("listen: x\nlog-format: xml\n", ":2:13", "log-format: \"xml\" is neither");
    char text[4096];
    assert_int_equal(exit_status(ARGS("--config=/nowhere/a.yaml"), STDERR_FILENO, text, sizeof(text)), 3);
    assert_non_null(strstr(text, "cannot open the configuration /nowhere/a.yaml: No such file or directory"));
}

static void test_what_is_printed_is_a_file_that_says_the_same(void **state)
{
    (void)state;
    static char text[32768];
    char *argv[] = {"symwaved",
                    REQUIRED,
                    "--keys-max=77",
                    "--tls-certificate=a \"quoted\" name",
                    "--tls-key=k",
                    "--tls-client-ca=x",
                    "--read-identities=a,b",
                    "--insecure",
                    "--print-config",
                    NULL};
    assert_int_equal(exit_status(argv, STDOUT_FILENO, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "\n#workers: 8\n"));
    const char *path = write_file(text);
    struct sw_config config = parse(ARGS("--config", (char *)path));
    assert_int_equal(config.limits.keys_max, 77);
    assert_string_equal(config.tls_certificate, "a \"quoted\" name");
    assert_int_equal(config.read_access.identities.count, 2);
    assert_true(config.insecure);
    static char again[32768];
    assert_int_equal(exit_status(ARGS("--config", (char *)path, "--print-config"), STDOUT_FILENO, again, sizeof(again)),
                     0);
    assert_string_equal(text, again);
    assert_int_equal(exit_status(ARGS("--config", (char *)path, "--check-config"), STDERR_FILENO, again, sizeof(again)),
                     3);
    assert_non_null(strstr(again, "cannot open the CA file x: No such file or directory"));
    sw_config_clear(&config);
    unlink(path);
}

static void note_change(const char *name, const char *from, const char *to, bool reloadable, void *user_data)
{
    char *text = user_data;
    sprintf(text + strlen(text), "%s %s->%s %d;", name, from, to, reloadable);
}

static void test_a_file_is_read_again_under_the_same_command_line(void **state)
{
    (void)state;
    const char *path = write_file("keys-max: 7\nworkers: 2\ngrace-ms: 5\n");
    struct sw_config config = parse(ARGS(REQUIRED, "--grace-ms=6", "--config", (char *)path)), next;
    struct sw_error error = {0};
    char text[400] = "";
    FILE *file = fopen(path, "w");
    fputs("keys-max: 9\nworkers: 3\ngrace-ms: 8\n", file);
    fclose(file);
    assert_int_equal(sw_config_reload(&config, &next, &error), SW_OK);
    assert_int_equal(sw_config_compare(&config, &next, note_change, text), 2);
    assert_string_equal(text, "keys-max 7->9 1;workers 2->3 0;");
    sw_config_clear(&config);
    file = fopen(path, "w");
    fputs("keys-max: none\n", file);
    fclose(file);
    assert_int_equal(sw_config_reload(&next, &config, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, ":1:11: keys-max: "));
    sw_config_clear(&next);
    unlink(path);
}

static void test_a_list_of_nobody_is_refused(void **state)
{
    (void)state;
    char text[4096];
    for (const char *const *list = (const char *const[]){"--read-identities=", "--store-identities= , ", NULL}; *list;
         list++) {
        assert_int_equal(exit_status(ARGS(REQUIRED, (char *)*list), STDERR_FILENO, text, sizeof(text)), 2);
        assert_non_null(strstr(text, "the list is empty; leave it out"));
    }
}

static void test_a_certificate_is_replaced_but_tls_is_not_switched_on_or_off(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *changes;
    } cases[] = {
        {"tls-certificate: a\ntls-key: k\ntls-client-ca: c\n", "tls-certificate: b\ntls-key: k\ntls-client-ca: d\n",
         "tls-certificate a->b 1;tls-client-ca c->d 1;"},
        {"tls-certificate: a\ntls-key: k\n", "tls-certificate: a\ntls-key: k\ntls-client-ca: c\n",
         "tls-client-ca ->c 0;"},
        {"tls-certificate: a\ntls-key: k\ntls-client-ca: c\n", "tls-certificate: a\ntls-key: k\n",
         "tls-client-ca c-> 0;"},
        {"workers: 2\n", "workers: 2\ntls-certificate: a\ntls-key: k\n", "tls-certificate ->a 0;tls-key ->k 0;"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[400] = "";
        struct sw_error error = {0};
        const char *path = write_file(cases[i].before);
        struct sw_config config = parse(ARGS(REQUIRED, "--config", (char *)path)), next;
        FILE *file = fopen(path, "w");
        fputs(cases[i].after, file);
        fclose(file);
        assert_int_equal(sw_config_reload(&config, &next, &error), SW_OK);
        sw_config_compare(&config, &next, note_change, text);
        assert_string_equal(text, cases[i].changes);
        sw_config_clear(&config);
        sw_config_clear(&next);
        unlink(path);
    }
}

static void test_help_and_version_go_to_standard_output(void **state)
{
    (void)state;
    static char text[32768];
    assert_int_equal(exit_status(ARGS("--help"), STDOUT_FILENO, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "symwaved --data /var/lib/symwave --node-id node-1 --listen 127.0.0.1:7400"));
    assert_int_equal(exit_status(ARGS("--version"), STDOUT_FILENO, text, sizeof(text)), 0);
    assert_string_equal(text, "symwaved " SYMWAVE_VERSION "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_that_registers_says_where_it_is_reached),
        cmocka_unit_test(test_id_is_the_node_id_and_no_abbreviation),
        cmocka_unit_test(test_three_options_are_enough),
        cmocka_unit_test(test_symbols_of_a_store_follow_the_size_of_a_message),
        cmocka_unit_test(test_every_option_is_taken),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_wrong_values_are_named_with_their_bounds),
        cmocka_unit_test(test_limits_that_contradict_each_other_are_refused),
        cmocka_unit_test(test_a_node_beyond_loopback_has_tls_or_says_that_it_is_insecure),
        cmocka_unit_test(test_a_file_gives_what_the_command_line_does_not),
        cmocka_unit_test(test_what_is_wrong_with_a_file_is_told_with_its_place),
        cmocka_unit_test(test_what_is_printed_is_a_file_that_says_the_same),
        cmocka_unit_test(test_a_file_is_read_again_under_the_same_command_line),
        cmocka_unit_test(test_a_list_of_nobody_is_refused),
        cmocka_unit_test(test_a_certificate_is_replaced_but_tls_is_not_switched_on_or_off),
        cmocka_unit_test(test_help_and_version_go_to_standard_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
