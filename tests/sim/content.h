/* The bytes of a file in pages that several contents share until one of them writes: what is durable and what is cached
 * are two contents of the same file, equal for the most part. Pages that were never written are zeros and take no
 * memory. */
#ifndef SIM_CONTENT_H
#define SIM_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#define SIM_PAGE_SIZE 4096

struct sim_page;

struct sim_content {
    struct sim_page **pages; /* NULL: zeros */
    size_t page_count;
    size_t pages_used;
    uint64_t size;
};

/* An empty one is all zero. */
void content_deinit(struct sim_content *content);
void content_write(struct sim_content *content, uint64_t offset, const uint8_t *data, size_t size);
/* The number of bytes that are there. */
size_t content_read(const struct sim_content *content, uint64_t offset, uint8_t *into, size_t size);
/* Cuts, or extends with zeros. */
void content_truncate(struct sim_content *content, uint64_t size);
/* Makes the pages that hold `size` bytes from `offset` those of `from`. */
void content_share(struct sim_content *content, const struct sim_content *from, uint64_t offset, uint64_t size);
/* Makes `content` equal to `from`. */
void content_copy(struct sim_content *content, const struct sim_content *from);

#endif
