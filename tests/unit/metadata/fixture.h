/* An image, and records to replay into it. */
#ifndef TESTS_METADATA_FIXTURE_H
#define TESTS_METADATA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/batch/record_batch.h"
#include "common/metadata/image.h"
#include "common/metadata/records.h"

struct fixture {
    struct image *image;
    struct arena arena;
    struct record_list records; /* to be applied next */
    struct buffer batch;        /* the last one applied */
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Encodes the records, gives them the next offset and replays them into the fixture's image; the list is empty then. */
enum status fixture_apply(struct fixture *fixture);
void fixture_must_apply(struct fixture *fixture);

struct uuid uuid_of(uint8_t number);
/* Each adds records. */
void add_topic(struct fixture *fixture, const char *name, uint8_t id, int32_t partitions);
void add_partitions(struct fixture *fixture, uint8_t id, int32_t first, int32_t count);
struct partition_change_record *add_change(struct fixture *fixture, uint8_t id, int32_t partition);
struct register_broker_record *add_broker(struct fixture *fixture, int32_t id);
void add_config(struct fixture *fixture, int8_t type, const char *resource, const char *name, const char *value);
/* Records of every kind: brokers, controllers, topics, configs, features, producer ids. */
void add_everything(struct fixture *fixture);

int run_compare_tests(void);
int run_image_tests(void);
int run_ordered_tests(void);
int run_records_tests(void);
int run_snapshot_tests(void);

#endif
