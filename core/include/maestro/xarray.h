/* SPDX-License-Identifier: MIT */
/*
 * A sparse array of pointers by unsigned long index: a radix tree of 64-slot nodes with two marks per entry.
 * Used by the page cache and id maps. The caller locks. Pointers must be 4-byte aligned and not NULL.
 */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

struct xa_node;
struct xarray {
	struct xa_node *root;
	unsigned height; /* levels; 0 when empty */
};
enum xa_mark { XA_MARK_DIRTY, XA_MARK_WRITEBACK, XA_MARKS };

void xa_init(struct xarray *xa);
void *xa_load(const struct xarray *xa, unsigned long index);
/* KERR(EEXIST) if the index is taken, KERR(ENOMEM). Does not sleep (allocates with GFP_ATOMIC from the node cache). */
kerr_t xa_insert(struct xarray *xa, unsigned long index, void *p) __must_check;
/* Removes and returns the entry, or NULL. Frees nodes that became empty. */
void *xa_erase(struct xarray *xa, unsigned long index);
/*
 * The entries at index and after it, up to the next multiple of XA_RUN (NULL: none there), to look at neighbours without a search for each. Valid
 * until the array changes. NULL: all are missing.
 */
#define XA_RUN 64u
void *const *xa_slots(const struct xarray *xa, unsigned long index);
/* First entry at index >= *index (and <= max); *index becomes its index. NULL if none. */
void *xa_find(const struct xarray *xa, unsigned long *index, unsigned long max);
void *xa_find_marked(const struct xarray *xa, unsigned long *index, unsigned long max, enum xa_mark mark);
void xa_set_mark(struct xarray *xa, unsigned long index, enum xa_mark mark);
void xa_clear_mark(struct xarray *xa, unsigned long index, enum xa_mark mark);
bool xa_get_mark(const struct xarray *xa, unsigned long index, enum xa_mark mark);
bool xa_marked(const struct xarray *xa, enum xa_mark mark); /* any entry has it */
static inline bool xa_empty(const struct xarray *xa)
{
	return !xa->root;
}
kerr_t xa_node_cache_init(void) __must_check; /* called once, by slab_init */
