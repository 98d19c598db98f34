/* Planning a local cluster and its files. */
#include "cli/dev_cluster.h"
#include "tests/unit/cli/tests.h"

struct fixture {
    struct dev_cluster cluster;
    struct buffer out;
    uint16_t busy[4]; /* taken by somebody else; 0: none */
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.cluster = {.directory = "/d", .cluster_id = "AAAAAAAAAAAAAAAAAAAAAQ"}};
    buffer_init(&fixture.out);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    buffer_deinit(&fixture->out);
    return 0;
}

static bool busy(void *context, uint16_t port)
{
    const struct fixture *fixture = context;

    for (size_t i = 0; i < ARRAY_COUNT(fixture->busy); i++) {
        if (fixture->busy[i] == port) {
            return true;
        }
    }
    return false;
}

static enum status plan(struct fixture *fixture, int controllers, int nodes, uint16_t port)
{
    const struct dev_layout layout = {controllers, nodes, port};

    return dev_cluster_plan(&fixture->cluster, &layout, busy, fixture);
}

static void ports_go_in_steps_of_a_thousand(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(plan(fixture, 3, 3, 9092), STATUS_OK);
    dev_cluster_voters(&fixture->cluster, &fixture->out);
    assert_text(&fixture->out, "101@127.0.0.1:9093,102@127.0.0.1:10093,103@127.0.0.1:11093");
    buffer_clear(&fixture->out);
    dev_cluster_addresses(&fixture->cluster, DEV_NODE, &fixture->out);
    assert_text(&fixture->out, "127.0.0.1:9092,127.0.0.1:10092,127.0.0.1:11092");
}

static void a_busy_port_gives_way(void **state)
{
    struct fixture *fixture = *state;

    fixture->busy[0] = 9092;
    fixture->busy[1] = 9094;
    fixture->busy[2] = 10093;
    assert_int_equal(plan(fixture, 2, 2, 9092), STATUS_OK);
    dev_cluster_addresses(&fixture->cluster, DEV_NODE, &fixture->out);
    buffer_append(&fixture->out, " ", 1);
    dev_cluster_addresses(&fixture->cluster, DEV_CONTROLLER, &fixture->out);
    assert_text(&fixture->out, "127.0.0.1:9096,127.0.0.1:10092 127.0.0.1:9093,127.0.0.1:10095");
}

static void more_than_there_is_room_for_is_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(plan(fixture, 20, 20, 9092), STATUS_FULL);
    assert_int_equal(plan(fixture, 1, 8, 60000), STATUS_FULL);
    assert_int_equal(plan(fixture, 1, 6, 60000), STATUS_OK);
}

static void the_state_file_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct dev_cluster read = {0};

    assert_int_equal(plan(fixture, 1, 2, 9092), STATUS_OK);
    dev_cluster_format(&fixture->cluster, &fixture->out);
    assert_int_equal(dev_cluster_parse((struct string){(const char *)fixture->out.data, fixture->out.size}, &read),
                     STATUS_OK);
    assert_string_equal(read.cluster_id, fixture->cluster.cluster_id);
    assert_int_equal(read.member_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(read.members[i].role, fixture->cluster.members[i].role);
        assert_int_equal(read.members[i].id, fixture->cluster.members[i].id);
        assert_int_equal(read.members[i].port, fixture->cluster.members[i].port);
    }
}

static void a_damaged_state_file_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "cluster.id=short\nnode.1=9092\n",
        "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ\n",
        "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.1=x\n",
        "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.1=99999\n",
        "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.1=9092,80\n",
    };
    struct dev_cluster read = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(dev_cluster_parse(string_of(bad[i]), &read), STATUS_CORRUPT);
    }
}

static void a_members_properties_name_role_address_and_data(void **state)
{
    struct fixture *fixture = *state;
    char path[DEV_PATH_MAX];

    assert_int_equal(plan(fixture, 1, 1, 9092), STATUS_OK);
    dev_member_properties(&fixture->cluster, &fixture->cluster.members[1], STRING("x=y\n"), &fixture->out);
    const struct string text = {(const char *)fixture->out.data, fixture->out.size};

    assert_string(properties_find(text, "process.roles"), "broker");
    assert_string(properties_find(text, "node.id"), "1");
    assert_string(properties_find(text, "listeners"), "PLAINTEXT://127.0.0.1:9092");
    assert_string(properties_find(text, "advertised.listeners"), "PLAINTEXT://127.0.0.1:9092");
    assert_string(properties_find(text, "controller.quorum.voters"), "101@127.0.0.1:9093");
    assert_string(properties_find(text, "log.dirs"), "/d/data/node-1");
    assert_string(properties_find(text, "x"), "y");
    buffer_clear(&fixture->out);
    dev_member_properties(&fixture->cluster, &fixture->cluster.members[0], STRING_NULL, &fixture->out);
    const struct string controller = {(const char *)fixture->out.data, fixture->out.size};

    assert_string(properties_find(controller, "process.roles"), "controller");
    assert_string(properties_find(controller, "metadata.log.dir"), "/d/data/controller-101");
    assert_null(properties_find(controller, "log.dirs").data);
    dev_member_path(&fixture->cluster, &fixture->cluster.members[0], ".log", path);
    assert_string_equal(path, "/d/controller-101.log");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_dev_cluster(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ports_go_in_steps_of_a_thousand),
        TEST(a_busy_port_gives_way),
        TEST(more_than_there_is_room_for_is_refused),
        TEST(the_state_file_comes_back),
        TEST(a_damaged_state_file_is_refused),
        TEST(a_members_properties_name_role_address_and_data),
    };

    return cmocka_run_group_tests_name("dev_cluster", tests, NULL, NULL);
}
