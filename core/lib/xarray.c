/* SPDX-License-Identifier: MIT */
/*
 * Sparse arrays: a radix tree of 64-slot nodes. A leaf (shift 0) holds the entries; a mark of an inner slot says that some entry below
 * has it. `present` has a bit for each used slot, so that searches skip holes a node at a time. No node of the tree is ever empty.
 * Lock: the caller's.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <maestro/xarray.h>

#define SLOT_BITS 6
#define SLOTS XA_RUN
#define MAX_HEIGHT DIV_ROUND_UP(BITS_PER_LONG, SLOT_BITS)

struct xa_node {
	struct xa_node *parent; /* NULL: the root */
	u8 shift;		/* index bits below this level */
	u8 offset;		/* in parent */
	u64 present;
	u64 marks[XA_MARKS];
	void *slot[SLOTS];
};

static unsigned slot_of(const struct xa_node *n, unsigned long index)
{
	return (unsigned)(index >> n->shift) & (SLOTS - 1);
}

/* The greatest index a tree of this height can hold. */
static unsigned long max_index(unsigned height)
{
	return height >= MAX_HEIGHT ? ULONG_MAX : (1UL << (height * SLOT_BITS)) - 1;
}

kerr_t xa_node_cache_init(void)
{
	return kmem_cache_create(&kernel()->lib.xa_nodes, "xa_node", sizeof(struct xa_node), 0);
}

static struct xa_node *node_alloc(unsigned shift)
{
	struct xa_node *n = kmem_cache_alloc(kernel()->lib.xa_nodes, (enum gfp)(GFP_ATOMIC | GFP_ZERO));

	if (n)
		n->shift = (u8)shift;
	return n;
}

static void node_free(struct xa_node *n)
{
	kmem_cache_free(kernel()->lib.xa_nodes, n);
}

void xa_init(struct xarray *xa)
{
	xa->root = NULL;
	xa->height = 0;
}

static struct xa_node *leaf_of(const struct xarray *xa, unsigned long index)
{
	struct xa_node *n = xa->root;

	if (!n || index > max_index(xa->height))
		return NULL;
	while (n && n->shift)
		n = n->slot[slot_of(n, index)];
	return n;
}

void *xa_load(const struct xarray *xa, unsigned long index)
{
	struct xa_node *n = leaf_of(xa, index);

	return n ? n->slot[slot_of(n, index)] : NULL;
}

void *const *xa_slots(const struct xarray *xa, unsigned long index)
{
	struct xa_node *n = leaf_of(xa, index);

	return n ? &n->slot[slot_of(n, index)] : NULL;
}

static void link_child(struct xa_node *parent, unsigned slot, struct xa_node *child)
{
	parent->slot[slot] = child;
	parent->present |= 1ULL << slot;
	child->parent = parent;
	child->offset = (u8)slot;
}

/* Unlinks n and its ancestors as far as they are empty. */
static void prune(struct xarray *xa, struct xa_node *n)
{
	while (n && !n->present) {
		struct xa_node *up = n->parent;

		if (up) {
			up->slot[n->offset] = NULL;
			up->present &= ~(1ULL << n->offset);
			for (unsigned m = 0; m < XA_MARKS; m++)
				up->marks[m] &= ~(1ULL << n->offset);
		} else {
			xa->root = NULL;
			xa->height = 0;
		}
		node_free(n);
		n = up;
	}
	while (xa->height > 1 && xa->root->present == 1) {
		struct xa_node *old = xa->root;

		xa->root = old->slot[0];
		xa->root->parent = NULL;
		xa->height--;
		node_free(old);
	}
}

static kerr_t grow(struct xarray *xa, unsigned long index)
{
	if (!xa->root) {
		unsigned height = 1;

		while (index > max_index(height))
			height++;
		xa->root = node_alloc((height - 1) * SLOT_BITS);
		if (!xa->root)
			return KERR(ENOMEM);
		xa->height = height;
		return KERR(0);
	}
	while (index > max_index(xa->height)) {
		struct xa_node *n = node_alloc(xa->height * SLOT_BITS);

		if (!n)
			return KERR(ENOMEM);
		for (unsigned m = 0; m < XA_MARKS; m++)
			n->marks[m] = xa->root->marks[m] != 0;
		link_child(n, 0, xa->root);
		xa->root = n;
		xa->height++;
	}
	return KERR(0);
}

kerr_t xa_insert(struct xarray *xa, unsigned long index, void *p)
{
	struct xa_node *n;
	unsigned slot;

	DEBUG_ASSERT(p && ((uintptr_t)p & 3) == 0);
	if ((!xa->root || index > max_index(xa->height)) && grow(xa, index)) {
		if (xa->root)
			prune(xa, xa->root);
		return KERR(ENOMEM);
	}
	for (n = xa->root; n->shift; n = n->slot[slot]) {
		slot = slot_of(n, index);
		if (!n->slot[slot]) {
			struct xa_node *child = node_alloc(n->shift - SLOT_BITS);

			if (!child) {
				prune(xa, n);
				return KERR(ENOMEM);
			}
			link_child(n, slot, child);
		}
	}
	slot = slot_of(n, index);
	if (n->slot[slot])
		return KERR(EEXIST);
	n->slot[slot] = p;
	n->present |= 1ULL << slot;
	return KERR(0);
}

static void clear_mark_up(struct xa_node *n, unsigned slot, enum xa_mark mark)
{
	for (;;) {
		if (!(n->marks[mark] & (1ULL << slot)))
			return;
		n->marks[mark] &= ~(1ULL << slot);
		if (n->marks[mark] || !n->parent)
			return;
		slot = n->offset;
		n = n->parent;
	}
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	struct xa_node *n = leaf_of(xa, index);
	unsigned slot;
	void *p;

	if (!n)
		return NULL;
	slot = slot_of(n, index);
	p = n->slot[slot];
	if (!p)
		return NULL;
	for (unsigned m = 0; m < XA_MARKS; m++)
		clear_mark_up(n, slot, (enum xa_mark)m);
	n->slot[slot] = NULL;
	n->present &= ~(1ULL << slot);
	if (!n->present || xa->root->present == 1)
		prune(xa, n);
	return p;
}

/* mark < 0: any entry. */
static void *find_from(const struct xarray *xa, unsigned long *index, unsigned long max, int mark)
{
	const struct xa_node *n = xa->root;
	bool exact = true; /* the path so far is that of *index */
	unsigned slot;

	if (!n || *index > max_index(xa->height))
		return NULL;
	slot = slot_of(n, *index);
	for (;;) {
		u64 set = mark < 0 ? n->present : n->marks[mark];
		unsigned long found = 0;

		set = slot < SLOTS ? set >> slot << slot : 0;
		if (!set) {
			if (!n->parent)
				return NULL;
			slot = n->offset + 1u;
			n = n->parent;
			exact = false;
			continue;
		}
		if (ctz64(set) != slot)
			exact = false;
		slot = ctz64(set);
		if (n->shift) {
			n = n->slot[slot];
			slot = exact ? slot_of(n, *index) : 0;
			continue;
		}
		for (const struct xa_node *up = n; up; up = up->parent)
			found |= (unsigned long)(up == n ? slot : 0) | (up->parent ? (unsigned long)up->offset << up->parent->shift : 0);
		if (found > max)
			return NULL;
		*index = found;
		return n->slot[slot];
	}
}

void *xa_find(const struct xarray *xa, unsigned long *index, unsigned long max)
{
	return find_from(xa, index, max, -1);
}

void *xa_find_marked(const struct xarray *xa, unsigned long *index, unsigned long max, enum xa_mark mark)
{
	return find_from(xa, index, max, (int)mark);
}

void xa_set_mark(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	struct xa_node *n = leaf_of(xa, index);
	unsigned slot;

	if (!n || !n->slot[slot = slot_of(n, index)])
		return;
	for (; n && !(n->marks[mark] & (1ULL << slot)); n = n->parent) {
		n->marks[mark] |= 1ULL << slot;
		slot = n->offset;
	}
}

void xa_clear_mark(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	struct xa_node *n = leaf_of(xa, index);

	if (n)
		clear_mark_up(n, slot_of(n, index), mark);
}

bool xa_get_mark(const struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	struct xa_node *n = leaf_of(xa, index);

	return n && ((n->marks[mark] >> slot_of(n, index)) & 1);
}

bool xa_marked(const struct xarray *xa, enum xa_mark mark)
{
	return xa->root && xa->root->marks[mark];
}
