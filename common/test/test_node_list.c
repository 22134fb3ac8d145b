/* The node list: what it takes, what it refuses and how it says so; and YAML, good and bad. */
#include "symwave/node_list.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct sw_node_list *parse_good(const char *text)
{
    struct sw_node_list *list = NULL;
    struct sw_error error = {0};

    if (sw_node_list_parse(text, strlen(text), "nodes.yaml", &list, &error) != SW_OK)
        fail_msg("%s", error.message);
    return list;
}

static void assert_node(const struct sw_node_list *list, size_t index, const char *id, const char *address)
{
    const struct sw_node *node = sw_node_list_at(list, index);
    assert_string_equal(node->id, id);
    assert_string_equal(node->address, address);
}

static void test_nodes_are_kept_in_order_with_their_place(void **state)
{
    struct sw_node_list *list = sw_node_list_new();
    struct sw_key place;

    (void)state;
    assert_int_equal(sw_node_list_add(list, "node-0", "10.0.0.1:4000", NULL), SW_OK);
    assert_int_equal(sw_node_list_add(list, "alpha", "[::1]:4001", NULL), SW_OK);
    assert_int_equal(sw_node_list_count(list), 2);
    assert_node(list, 0, "node-0", "10.0.0.1:4000");
    assert_node(list, 1, "alpha", "[::1]:4001");
    /* printf node-0 | b3sum; printf alpha | b3sum */
    const char *sums[] = {"7b4cef95e42178fc7ba3cb8470cd4b40413d47bdd00b1d588f9d2b78d9b80ebd",
                          "644a9bc57c6063e2ba4028fa73ed585170ae7db8ac7723d32be49c021a0225f5"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < SW_KEY_BYTES; j++)
            assert_int_equal(sscanf(sums[i] + 2 * j, "%2hhx", &place.bytes[j]), 1);
        assert_memory_equal(&sw_node_list_at(list, i)->place, &place, sizeof(place));
    }
    sw_node_list_free(list);
}

static void test_nodes_are_found_by_their_id(void **state)
{
    struct sw_node_list *list = sw_node_list_new();
    char id[16];
    size_t index = 7;

    (void)state;
    assert_false(sw_node_list_find(list, "node-0", &index));
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "node-%d", i);
        assert_int_equal(sw_node_list_add(list, id, "127.0.0.1:4000", NULL), SW_OK);
    }
    for (size_t i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "node-%zu", i);
        assert_true(sw_node_list_find(list, id, &index));
        assert_int_equal(index, i);
    }
    assert_false(sw_node_list_find(list, "node-1000", &index));
    assert_false(sw_node_list_find(list, "", &index));
    assert_false(sw_node_list_find(list, "", NULL));
    assert_true(sw_node_list_find(list, "node-7", NULL));
    assert_int_equal(index, 999);
    sw_node_list_free(list);
}

static void test_addresses_of_every_form_are_taken(void **state)
{
    static const char *const good[] = {"h:1",          "host.example.org:65535", "127.0.0.1:4000", "[2001:db8::1]:80",
                                       "[::]:1",       "unix:/run/node.sock",    "a_b-c.d:04000",  "unix:///x",
                                       "localhost:443"};
    struct sw_node_list *list = sw_node_list_new();

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char id[16];
        snprintf(id, sizeof(id), "n%zu", i);
        assert_int_equal(sw_node_list_add(list, id, good[i], NULL), SW_OK);
    }
    sw_node_list_free(list);
}

static void test_bad_addresses_are_refused_and_named(void **state)
{
    static const char *const bad[] = {
        "",        "host",     "host:",     "host:0",   "host:65536",   "host:99999999999",
        "host:1x", "host:-1",  "host: 1",   ":1",       "ho st:1",      "::1:4000",
        "[::1]",   "[::1]:0",  "[::1:4000", "[host]:1", "unix:",        "unix:relative",
        "[]:1",    "host:1:2", "unix:/a b", "h\nx:1",   "http://h:80/", "ho\xc3\xa9t:1"};
    struct sw_node_list *list = sw_node_list_new();
    struct sw_error error;
    char longest[400];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(&error, 0, sizeof(error));
        assert_int_equal(sw_node_list_add(list, "the-node", bad[i], &error), SW_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "the-node"));
        assert_null(strchr(error.message, '\n'));
    }
    memset(longest, 'a', sizeof(longest));
    strcpy(longest + 254, ":1");
    assert_int_equal(sw_node_list_add(list, "n", longest, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "longer than 255 bytes"));
    memcpy(longest, "unix:/", 6);
    strcpy(longest + 150, "");
    assert_int_equal(sw_node_list_add(list, "n", longest, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_node_list_count(list), 0);
    sw_node_list_free(list);
}

static void test_ids_are_1_to_255_printable_bytes(void **state)
{
    static const char *const bad[] = {"",        " ",    "a b",        "a\tb",         "a\n",     "\x7f",
                                      "\x1b[1m", "\xff", "a\xc2\xa0z", "\xe2\x80\x8b", "\xc2\x9b"};
    struct sw_node_list *list = sw_node_list_new();
    struct sw_error error;
    char id[257];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sw_node_list_add(list, bad[i], "h:1", &error), SW_INVALID_ARGUMENT);
    memset(id, 'i', sizeof(id));
    id[256] = '\0';
    assert_int_equal(sw_node_list_add(list, id, "h:1", &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "longer than 255 bytes"));
    id[255] = '\0';
    assert_int_equal(sw_node_list_add(list, id, "h:1", &error), SW_OK);
    assert_int_equal(sw_node_list_add(list,
                                      "n\xc3\xb8"
                                      "de/1:=\"",
                                      "h:1", &error),
                     SW_OK);
    sw_node_list_free(list);
}

static void test_a_million_nodes_find_their_duplicate(void **state)
{
    struct sw_node_list *list = sw_node_list_new();
    struct sw_error error;
    char id[32];

    (void)state;
    for (int i = 0; i < 1000000; i++) {
        snprintf(id, sizeof(id), "node-%d", i);
        assert_int_equal(sw_node_list_add(list, id, "h:1", &error), SW_OK);
    }
    assert_int_equal(sw_node_list_add(list, "node-777777", "other:1", &error), SW_INVALID_ARGUMENT);
    assert_string_equal(error.message, "id node-777777 is in the list already, as number 777778 with address h:1");
    assert_int_equal(sw_node_list_count(list), 1000000);
    assert_node(list, 999999, "node-999999", "h:1");
    sw_node_list_free(list);
}

static void test_yaml_of_every_good_style_is_read(void **state)
{
    static const char *const good[] = {
        "nodes:\n- id: a\n  address: h:1\n- id: b\n  address: h:2\n",
        "# comment\n---\nnodes:\n  - {id: a, address: \"h:1\"}\n  - address: 'h:2'\n    id: \"b\"\n...\n",
        "{\"nodes\": [{\"id\": \"a\", \"address\": \"h:1\"}, {\"id\": \"b\", \"address\": \"h:2\"}]}",
        "\xef\xbb\xbfnodes:\r\n- id: a\r\n  address: h:1\r\n- id: b\r\n  address: h:2\r\n",
        "nodes:\n- id: \"\\x61\"\n  address: h:1\n- id: b\n  address: h:2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct sw_node_list *list = parse_good(good[i]);
        assert_int_equal(sw_node_list_count(list), 2);
        assert_node(list, 0, "a", "h:1");
        assert_node(list, 1, "b", "h:2");
        sw_node_list_free(list);
    }
}

static void test_bad_yaml_is_refused_with_line_and_column(void **state)
{
    /* Lines and columns counted by hand; what must be said besides. */
    static const struct {
        const char *text;
        const char *place;
        const char *said;
    } cases[] = {
        {"", "nodes.yaml: ", "names no node"},
        {"# nothing\n", "nodes.yaml: ", "names no node"},
        {"nodes: []\n", "nodes.yaml: ", "names no node"},
        {"nodes:\n", "nodes.yaml:1:7: ", "SEQUENCE"},
        {"- a\n", "nodes.yaml:1:1: ", "MAPPING"},
        {"node:\n- id: a\n", "nodes.yaml:1:1: ", "node"},
        {"nodes:\n- id: a\n  address: h:1\n  port: 3\n", "nodes.yaml:4:3: ", "port"},
        {"nodes:\n- id: a\n- id: b\n  address: h:1\n", "nodes.yaml:2:3: ", "address"},
        {"nodes:\n- address: h:1\n", "nodes.yaml:2:3: ", "id"},
        {"nodes:\n- id: a\n  id: b\n  address: h:1\n", "nodes.yaml:3:3: ", "already"},
        {"nodes: []\nnodes: []\n", "nodes.yaml:2:1: ", "already"},
        {"nodes:\n- id: [a]\n", "nodes.yaml:2:7: ", "STRING"},
        {"nodes:\n- a\n", "nodes.yaml:2:3: ", "MAPPING"},
        {"nodes:\n\t- id: a\n", "nodes.yaml:2:1: ", "cannot start any token"},
        {"nodes:\n- id: \"a\n", "nodes.yaml:3:1: ", "quoted scalar"},
        {"nodes:\n- id: a\n  address: \xff\n", "nodes.yaml:3:12: ", "UTF-8"},
        {"nodes: &n\n- id: &x a\n  address: *x\n", "nodes.yaml:3:12: ", "alias"},
        {"nodes:\n- id: a\n  address: h:1\n---\nnodes:\n- id: b\n  address: h:1\n", "nodes.yaml:4:1: ", "document"},
        {"nodes:\n- id: \"a\\0b\"\n  address: h:1\n", "nodes.yaml:2:7: ", "NUL"},
        {"nodes:\n- id: a b\n  address: h:1\n", "nodes.yaml:2:7: node number 1: ", "white space"},
        {"nodes:\n- id: a\n  address: h:1\n- id: b\n  address: h:0\n", "nodes.yaml:5:12: node number 2: ", "65535"},
        {"nodes:\n- id: a\n  address: h:1\n- address: h:2\n  id: a\n", "nodes.yaml:5:7: node number 2: ", "already"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sw_node_list *list = (struct sw_node_list *)&cases;
        struct sw_error error = {0};
        assert_int_equal(sw_node_list_parse(cases[i].text, strlen(cases[i].text), "nodes.yaml", &list, &error),
                         SW_INVALID_ARGUMENT);
        assert_null(list);
        if (strncmp(error.message, cases[i].place, strlen(cases[i].place)) != 0 ||
            !strstr(error.message, cases[i].said))
            fail_msg("wanted \"%s ... %s\", got \"%s\"", cases[i].place, cases[i].said, error.message);
        assert_null(strchr(error.message, '\n'));
    }
}

/* Nine levels of nine would be 9^9 nodes, were aliases followed; a hundred thousand brackets, were nesting. */
static void test_yaml_bombs_are_refused_at_once(void **state)
{
    struct sw_node_list *list;
    struct sw_error error;
    char text[4096] = "a0: &a0 [x]\n";
    static char brackets[100000];

    (void)state;
    for (int i = 1; i <= 9; i++)
        sprintf(text + strlen(text), "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
                i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    strcat(text, "nodes: *a9\n");
    assert_int_equal(sw_node_list_parse(text, strlen(text), "bomb", &list, &error), SW_INVALID_ARGUMENT);
    memset(brackets, '[', sizeof(brackets));
    assert_int_equal(sw_node_list_parse(brackets, sizeof(brackets), "bomb", &list, &error), SW_INVALID_ARGUMENT);
    memcpy(brackets, "nodes: ", 7);
    assert_int_equal(sw_node_list_parse(brackets, sizeof(brackets), "bomb", &list, &error), SW_INVALID_ARGUMENT);
}

static void test_files_are_read_and_their_faults_named(void **state)
{
    char path[] = "/tmp/symwave-nodes-XXXXXX";
    static const char text[] = "nodes:\n- id: a\n  address: h:1\n";
    struct sw_node_list *list;
    struct sw_error error;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(sw_node_list_load(path, &list, &error), SW_OK);
    assert_int_equal(sw_node_list_count(list), 1);
    sw_node_list_free(list);
    /* Larger than any list: refused before it is read to its end. */
    assert_int_equal(ftruncate(fd, 3LL << 30), 0);
    assert_int_equal(sw_node_list_load(path, &list, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "larger than 256 MiB"));
    assert_null(list);
    close(fd);
    unlink(path);
    assert_int_equal(sw_node_list_load(path, &list, &error), SW_NOT_FOUND);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(sw_node_list_load("/", &list, &error), SW_IO_ERROR);
    assert_int_equal(sw_node_list_load("/dev/null/x", &list, &error), SW_NOT_FOUND);
    sw_node_list_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_are_kept_in_order_with_their_place),
        cmocka_unit_test(test_nodes_are_found_by_their_id),
        cmocka_unit_test(test_addresses_of_every_form_are_taken),
        cmocka_unit_test(test_bad_addresses_are_refused_and_named),
        cmocka_unit_test(test_ids_are_1_to_255_printable_bytes),
        cmocka_unit_test(test_a_million_nodes_find_their_duplicate),
        cmocka_unit_test(test_yaml_of_every_good_style_is_read),
        cmocka_unit_test(test_bad_yaml_is_refused_with_line_and_column),
        cmocka_unit_test(test_yaml_bombs_are_refused_at_once),
        cmocka_unit_test(test_files_are_read_and_their_faults_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
