/* SPDX-License-Identifier: MIT */
/* Red-black trees, intrusive. The caller does the search (see rb_link) and holds whatever lock protects the tree. */
#pragma once

#include <maestro/types.h>

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};
struct rb_tree {
	struct rb_node *root;
};

/* Links n at *link below parent (both found by the caller's descent), then rebalances. */
void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link);
void rb_erase(struct rb_tree *t, struct rb_node *n);
struct rb_node *rb_first(const struct rb_tree *t);
struct rb_node *rb_last(const struct rb_tree *t);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
#define rb_entry(ptr, type, member) container_of(ptr, type, member)
