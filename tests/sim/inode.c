/* The cache writes sectors back whenever it likes, so what a power cut leaves of a file is, sector by sector, the state
 * after a prefix of the writes: lost (none of them), kept (all), cut (the same prefix everywhere) or torn (each sector
 * its own). The size is written back like one more sector. */
#include "tests/sim/inode.h"

#include "common/base/assert.h"
#include "common/base/map.h"
#include "tests/sim/names.h"

#include <string.h>

/* A write or, if `cut`, a truncation to `offset`. */
struct inode_write {
    struct list link;
    uint64_t offset;
    size_t size;
    bool cut;
    uint8_t bytes[];
};

/* How far the writes of each sector came. */
struct write_back {
    size_t count; /* of writes */
    size_t least; /* every sector has at least these */
    size_t most;  /* and at most these */
    uint64_t salt;
};

struct sim_inode *inode_create(struct list *inodes, enum disk_kind kind)
{
    struct sim_inode *inode = sim_alloc(sizeof(*inode));

    inode->references = 1;
    inode->kind = kind;
    list_init(&inode->writes);
    list_init(&inode->cached_names);
    list_init(&inode->durable_names);
    list_append(inodes, &inode->all);
    return inode;
}

struct sim_inode *inode_ref(struct sim_inode *inode)
{
    inode->references++;
    return inode;
}

static void inode_forget_writes(struct sim_inode *inode)
{
    struct list *link;

    while ((link = list_take_first(&inode->writes)) != NULL) {
        sim_free(LIST_ENTRY(link, struct inode_write, link));
    }
    inode->write_count = 0;
}

void inode_unref(struct sim_inode *inode)
{
    ASSERT(inode->references > 0);
    inode->references--;
    if (inode->references > 0) {
        return;
    }
    list_remove(&inode->all);
    names_clear(&inode->cached_names);
    names_clear(&inode->durable_names);
    inode_forget_writes(inode);
    content_deinit(&inode->cached);
    content_deinit(&inode->durable);
    sim_free(inode);
}

static struct inode_write *inode_add_write(struct sim_inode *inode, uint64_t offset, const uint8_t *data, size_t size)
{
    struct inode_write *write = sim_alloc(sizeof(*write) + size);

    write->offset = offset;
    write->size = size;
    if (size > 0) {
        memcpy(write->bytes, data, size);
    }
    list_append(&inode->writes, &write->link);
    inode->write_count++;
    return write;
}

void inode_write(struct sim_inode *inode, uint64_t offset, const uint8_t *data, size_t size)
{
    if (size > 0) {
        inode_add_write(inode, offset, data, size);
        content_write(&inode->cached, offset, data, size);
    }
}

void inode_truncate(struct sim_inode *inode, uint64_t size)
{
    inode_add_write(inode, size, NULL, 0)->cut = true;
    content_truncate(&inode->cached, size);
}

uint64_t inode_sync(struct sim_inode *inode)
{
    uint64_t written = 0;

    LIST_EACH(link, &inode->writes) {
        const struct inode_write *write = LIST_ENTRY(link, struct inode_write, link);

        if (write->cut) {
            content_truncate(&inode->durable, write->offset);
        }
    }
    LIST_EACH(link, &inode->writes) {
        const struct inode_write *write = LIST_ENTRY(link, struct inode_write, link);

        content_share(&inode->durable, &inode->cached, write->offset, write->cut ? SIM_PAGE_SIZE : write->size);
        written += write->size;
    }
    inode->durable.size = inode->cached.size;
    inode_forget_writes(inode);
    return written;
}

static struct write_back write_back_draw(size_t count, struct prng *prng)
{
    struct write_back back = {.count = count, .salt = prng_next(prng)};
    const size_t middle = (size_t)prng_below(prng, count + 1);

    switch (prng_below(prng, 5)) {
    case 0:
        break;
    case 1:
        back.least = count;
        back.most = count;
        break;
    case 2:
        back.least = middle;
        back.most = middle;
        break;
    case 3:
        back.least = middle;
        back.most = count;
        break;
    default:
        back.most = count;
        break;
    }
    return back;
}

/* True if the write number `number` reached the sector. */
static bool write_back_reached(const struct write_back *back, uint64_t sector, size_t number)
{
    return number < back->least + (size_t)(hash_u64(back->salt + sector) % (back->most - back->least + 1));
}

/* Sectors that a truncation to `size` empties on the disk. */
static void write_back_cut(const struct write_back *back, struct sim_content *durable, uint64_t size, size_t number)
{
    static const uint8_t zeros[SIM_SECTOR_SIZE];
    uint64_t offset = size;

    while (offset < durable->size) {
        const uint64_t end = (offset / SIM_SECTOR_SIZE + 1) * SIM_SECTOR_SIZE;
        const uint64_t stop = end < durable->size ? end : durable->size;

        if (write_back_reached(back, offset / SIM_SECTOR_SIZE, number)) {
            content_write(durable, offset, zeros, (size_t)(stop - offset));
        }
        offset = end;
    }
}

static void write_back_write(const struct write_back *back, struct sim_content *durable,
                             const struct inode_write *write, size_t number)
{
    size_t done = 0;

    while (done < write->size) {
        const uint64_t offset = write->offset + done;
        const size_t room = SIM_SECTOR_SIZE - (size_t)(offset % SIM_SECTOR_SIZE);
        const size_t step = room < write->size - done ? room : write->size - done;

        if (write_back_reached(back, offset / SIM_SECTOR_SIZE, number)) {
            content_write(durable, offset, write->bytes + done, step);
        }
        done += step;
    }
}

/* Writes back as much as luck has it. */
static void inode_write_back(struct sim_inode *inode, struct prng *prng)
{
    const struct write_back back = write_back_draw(inode->write_count, prng);
    uint64_t size = inode->durable.size;
    size_t number = 0;

    LIST_EACH(link, &inode->writes) {
        const struct inode_write *write = LIST_ENTRY(link, struct inode_write, link);

        if (write->cut) {
            write_back_cut(&back, &inode->durable, write->offset, number);
        } else {
            write_back_write(&back, &inode->durable, write, number);
        }
        if (write_back_reached(&back, UINT64_MAX, number)) {
            size = write->cut || write->offset + write->size > size ? write->offset + write->size : size;
        }
        number++;
    }
    content_truncate(&inode->durable, size);
    inode_forget_writes(inode);
}

void inode_fail_sync(struct sim_inode *inode, struct prng *prng)
{
    inode_write_back(inode, prng);
}

void inode_power_cut(struct sim_inode *inode, struct prng *prng)
{
    inode_write_back(inode, prng);
    content_copy(&inode->cached, &inode->durable);
    inode->locker = NULL;
}

uint64_t inode_footprint(const struct sim_inode *inode)
{
    const uint64_t pages = (uint64_t)inode->cached.pages_used * SIM_PAGE_SIZE;

    return pages > inode->reserved ? pages : inode->reserved;
}
