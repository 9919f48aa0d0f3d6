/* SPDX-License-Identifier: MIT */
/*
 * Read-ahead. Each open file has a window [start, start + size); the page at start + size - async carries PG_READAHEAD: whoever touches it starts
 * the next window, so that a sequential reader never waits. A window doubles up to max_pages. A read that does not continue the last one reads only
 * what was asked.
 *
 * struct readahead is changed without a lock: a race between threads on one file costs a worse guess, nothing else.
 */
#include "vm.h"

#define RA_BATCH 32

static u32 ra_max(const struct readahead *ra)
{
	return ra->max_pages ? ra->max_pages : RA_PAGES;
}

static void read_batch(struct mapping *m, struct page **pages, unsigned n)
{
	if (!n)
		return;
	atomic_add(&mm_state()->pages_read, (long)n);
	/* Errors are found by who waits for the pages: they are not uptodate. */
	if (m->ops->read_pages(m, pages, n))
		klog_debug("read-ahead failed");
	for (unsigned i = 0; i < n; i++)
		page_put(pages[i]);
}

/* A new locked page in the tree, or NULL when it is there already or memory is short. */
static struct page *new_page(struct mapping *m, pgoff_t index)
{
	struct page *p = mapping_find(m, index);

	if (p) {
		page_put(p);
		return NULL;
	}
	p = page_alloc(m->gfp);
	if (!p)
		return NULL;
	page_set(p, PG_LOCKED);
	if (mapping_add(m, index, p)) {
		page_clear(p, PG_LOCKED);
		page_put(p);
		return NULL;
	}
	return p;
}

void readahead_range(struct mapping *m, pgoff_t first, size_t n, pgoff_t mark)
{
	struct page *batch[RA_BATCH];
	unsigned count = 0;
	pgoff_t end = last_page(inode_size(m->inode));

	if (first >= end || !m->ops->read_pages)
		return;
	n = MIN(n, end - first);
	for (size_t i = 0; i < n; i++) {
		struct page *p = new_page(m, first + i);

		if (p && first + i == mark)
			page_set(p, PG_READAHEAD);
		if (p)
			batch[count++] = p;
		if (!p || count == RA_BATCH) {
			read_batch(m, batch, count);
			count = 0;
		}
	}
	read_batch(m, batch, count);
}

static size_t first_window(size_t want, size_t max)
{
	size_t n = 1;

	while (n < want)
		n <<= 1;
	if (n <= max / 32)
		n *= 4;
	else if (n <= max / 4)
		n *= 2;
	return MIN(n, max);
}

static void ra_submit(struct mapping *m, struct readahead *ra)
{
	readahead_range(m, ra->start, ra->size, ra->start + ra->size - ra->async);
}

void readahead_sync(struct mapping *m, struct readahead *ra, pgoff_t index, size_t want)
{
	size_t max = ra_max(ra);

	want = MAX(MIN(want, max), (size_t)1);
	if (index != ra->start + ra->size || !ra->size) {
		if (index && index != ra->prev && index != ra->prev + 1) { /* random: no window */
			readahead_range(m, index, want, ULONG_MAX);
			return;
		}
		ra->start = index;
		ra->size = first_window(want, max);
		ra->async = ra->size > want ? ra->size - want : ra->size;
	} else { /* runs on past a window whose mark was missed */
		ra->start = index;
		ra->size = MIN(ra->size * 2, max);
		ra->async = ra->size;
	}
	ra_submit(m, ra);
}

void readahead_async(struct mapping *m, struct readahead *ra, pgoff_t index)
{
	size_t max = ra_max(ra);

	if (max == 1)
		return;
	if (ra->size && index == ra->start + ra->size - ra->async) {
		ra->start += ra->size;
		ra->size = MIN(ra->size * 2, max);
	} else { /* another reader's mark: start after it */
		ra->start = index + 1;
		ra->size = MIN(MAX(ra->size, (pgoff_t)4), max);
	}
	ra->async = ra->size;
	ra_submit(m, ra);
}
