/* SPDX-License-Identifier: MIT */
/*
 * Red-black trees (Cormen, Leiserson, Rivest, Stein: Introduction to Algorithms, chapter 13), with NULL leaves, which are black.
 */
#include <maestro/rbtree.h>

static void replace_child(struct rb_tree *t, struct rb_node *old, struct rb_node *new, struct rb_node *parent)
{
	if (!parent)
		t->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
}

static void rotate_left(struct rb_tree *t, struct rb_node *x)
{
	struct rb_node *y = x->right;

	x->right = y->left;
	if (y->left)
		y->left->parent = x;
	y->parent = x->parent;
	replace_child(t, x, y, x->parent);
	y->left = x;
	x->parent = y;
}

static void rotate_right(struct rb_tree *t, struct rb_node *x)
{
	struct rb_node *y = x->left;

	x->left = y->right;
	if (y->right)
		y->right->parent = x;
	y->parent = x->parent;
	replace_child(t, x, y, x->parent);
	y->right = x;
	x->parent = y;
}

void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	n->parent = parent;
	n->left = n->right = NULL;
	n->red = true;
	*link = n;
	while ((parent = n->parent) && parent->red) {
		struct rb_node *grand = parent->parent;
		bool left = parent == grand->left;
		struct rb_node *uncle = left ? grand->right : grand->left;

		if (uncle && uncle->red) {
			parent->red = uncle->red = false;
			grand->red = true;
			n = grand;
			continue;
		}
		if (left) {
			if (n == parent->right) {
				rotate_left(t, parent);
				parent = n;
			}
			parent->red = false;
			grand->red = true;
			rotate_right(t, grand);
		} else {
			if (n == parent->left) {
				rotate_right(t, parent);
				parent = n;
			}
			parent->red = false;
			grand->red = true;
			rotate_left(t, grand);
		}
		break;
	}
	t->root->red = false;
}

static bool is_red(const struct rb_node *n)
{
	return n && n->red;
}

/* A black node is missing above n (which may be NULL), whose parent is given. */
static void erase_fixup(struct rb_tree *t, struct rb_node *n, struct rb_node *parent)
{
	while (n != t->root && !is_red(n)) {
		bool left = n == parent->left;
		struct rb_node *s = left ? parent->right : parent->left;

		if (s->red) {
			s->red = false;
			parent->red = true;
			if (left)
				rotate_left(t, parent);
			else
				rotate_right(t, parent);
			s = left ? parent->right : parent->left;
		}
		if (!is_red(s->left) && !is_red(s->right)) {
			s->red = true;
			n = parent;
			parent = n->parent;
			continue;
		}
		if (left) {
			if (!is_red(s->right)) {
				s->left->red = false;
				s->red = true;
				rotate_right(t, s);
				s = parent->right;
			}
			s->red = parent->red;
			parent->red = false;
			s->right->red = false;
			rotate_left(t, parent);
		} else {
			if (!is_red(s->left)) {
				s->right->red = false;
				s->red = true;
				rotate_left(t, s);
				s = parent->left;
			}
			s->red = parent->red;
			parent->red = false;
			s->left->red = false;
			rotate_right(t, parent);
		}
		n = t->root;
	}
	if (n)
		n->red = false;
}

void rb_erase(struct rb_tree *t, struct rb_node *n)
{
	struct rb_node *child, *parent;
	bool was_red = n->red;

	if (!n->left || !n->right) {
		child = n->left ? n->left : n->right;
		parent = n->parent;
		if (child)
			child->parent = parent;
		replace_child(t, n, child, parent);
	} else {
		struct rb_node *next = n->right;

		while (next->left)
			next = next->left;
		was_red = next->red;
		child = next->right;
		if (next->parent == n) {
			parent = next;
		} else {
			parent = next->parent;
			parent->left = child;
			if (child)
				child->parent = parent;
			next->right = n->right;
			next->right->parent = next;
		}
		next->left = n->left;
		next->left->parent = next;
		next->parent = n->parent;
		next->red = n->red;
		replace_child(t, n, next, n->parent);
	}
	if (!was_red)
		erase_fixup(t, child, parent);
	n->parent = n->left = n->right = NULL;
}

struct rb_node *rb_first(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	struct rb_node *next = n->right;

	if (next) {
		while (next->left)
			next = next->left;
		return next;
	}
	while (n->parent && n == n->parent->right)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	struct rb_node *prev = n->left;

	if (prev) {
		while (prev->right)
			prev = prev->right;
		return prev;
	}
	while (n->parent && n == n->parent->left)
		n = n->parent;
	return n->parent;
}
