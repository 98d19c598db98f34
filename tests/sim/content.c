/* Invariant: bytes of the last page behind `size` are zero, so extending needs no write. */
#include "tests/sim/content.h"

#include "common/base/assert.h"
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

struct sim_page {
    unsigned references;
    uint8_t bytes[SIM_PAGE_SIZE];
};

static void page_unref(struct sim_page *page)
{
    if (page != NULL && --page->references == 0) {
        sim_free(page);
    }
}

static void content_reach(struct sim_content *content, size_t page_count)
{
    struct sim_page **pages;
    size_t count = content->page_count * 2;

    if (page_count <= content->page_count) {
        return;
    }
    count = count > page_count ? count : page_count;
    pages = realloc(content->pages, count * sizeof(struct sim_page *));
    ASSERT(pages != NULL);
    memset(pages + content->page_count, 0, (count - content->page_count) * sizeof(struct sim_page *));
    content->pages = pages;
    content->page_count = count;
}

/* The page `index`, for writing: there, and shared with nobody. */
static struct sim_page *content_own(struct sim_content *content, size_t index)
{
    struct sim_page *page;

    content_reach(content, index + 1);
    page = content->pages[index];
    if (page == NULL) {
        page = sim_alloc(sizeof(*page));
        page->references = 1;
        content->pages_used++;
    } else if (page->references > 1) {
        struct sim_page *shared = page;

        page = sim_alloc(sizeof(*page));
        memcpy(page->bytes, shared->bytes, SIM_PAGE_SIZE);
        page->references = 1;
        page_unref(shared);
    }
    content->pages[index] = page;
    return page;
}

static void content_drop(struct sim_content *content, size_t first)
{
    for (size_t i = first; i < content->page_count; i++) {
        if (content->pages[i] != NULL) {
            page_unref(content->pages[i]);
            content->pages[i] = NULL;
            content->pages_used--;
        }
    }
}

void content_deinit(struct sim_content *content)
{
    content_drop(content, 0);
    free(content->pages);
    *content = (struct sim_content){.size = 0};
}

void content_write(struct sim_content *content, uint64_t offset, const uint8_t *data, size_t size)
{
    if (offset + size > content->size && size > 0) {
        content->size = offset + size;
    }
    while (size > 0) {
        const size_t start = (size_t)(offset % SIM_PAGE_SIZE);
        const size_t step = SIM_PAGE_SIZE - start < size ? SIM_PAGE_SIZE - start : size;

        memcpy(content_own(content, (size_t)(offset / SIM_PAGE_SIZE))->bytes + start, data, step);
        offset += step;
        data += step;
        size -= step;
    }
}

size_t content_read(const struct sim_content *content, uint64_t offset, uint8_t *into, size_t size)
{
    size_t left;

    if (offset >= content->size) {
        return 0;
    }
    size = content->size - offset < size ? (size_t)(content->size - offset) : size;
    left = size;
    while (left > 0) {
        const size_t index = (size_t)(offset / SIM_PAGE_SIZE);
        const size_t start = (size_t)(offset % SIM_PAGE_SIZE);
        const size_t step = SIM_PAGE_SIZE - start < left ? SIM_PAGE_SIZE - start : left;

        if (index < content->page_count && content->pages[index] != NULL) {
            memcpy(into, content->pages[index]->bytes + start, step);
        } else {
            memset(into, 0, step);
        }
        offset += step;
        into += step;
        left -= step;
    }
    return size;
}

void content_truncate(struct sim_content *content, uint64_t size)
{
    const size_t last = (size_t)(size / SIM_PAGE_SIZE);
    const size_t rest = (size_t)(size % SIM_PAGE_SIZE);

    if (size < content->size) {
        content_drop(content, last + (rest > 0 ? 1 : 0));
        if (rest > 0 && last < content->page_count && content->pages[last] != NULL) {
            memset(content_own(content, last)->bytes + rest, 0, SIM_PAGE_SIZE - rest);
        }
    }
    content->size = size;
}

void content_share(struct sim_content *content, const struct sim_content *from, uint64_t offset, uint64_t size)
{
    const size_t first = (size_t)(offset / SIM_PAGE_SIZE);
    const size_t end = (size_t)((offset + size + SIM_PAGE_SIZE - 1) / SIM_PAGE_SIZE);

    for (size_t i = first; i < end && (i < from->page_count || i < content->page_count); i++) {
        struct sim_page *page = i < from->page_count ? from->pages[i] : NULL;

        content_reach(content, i + 1);
        if (page != NULL) {
            page->references++;
            content->pages_used++;
        }
        if (content->pages[i] != NULL) {
            page_unref(content->pages[i]);
            content->pages_used--;
        }
        content->pages[i] = page;
    }
}

void content_copy(struct sim_content *content, const struct sim_content *from)
{
    content_drop(content, 0);
    content_share(content, from, 0, from->size);
    content->size = from->size;
}
