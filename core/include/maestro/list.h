/* SPDX-License-Identifier: MIT */
/* Doubly linked circular lists, and singly headed hash chains. No locking of their own. */
#pragma once

#include <maestro/types.h>

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
	n->next = next;
	n->prev = prev;
	prev->next = n;
	next->prev = n;
}
/* Adds n at the front of head. */
static inline void list_add(struct list *head, struct list *n)
{
	list_insert_between(n, head, head->next);
}
static inline void list_add_tail(struct list *head, struct list *n)
{
	list_insert_between(n, head->prev, head);
}
/* Removes n and leaves it an empty list of its own, so that removing twice is harmless. */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}
static inline void list_move_tail(struct list *head, struct list *n)
{
	list_del(n);
	list_add_tail(head, n);
}
/* Moves all of src to the tail of dst; src is empty after. */
static inline void list_splice_tail(struct list *dst, struct list *src)
{
	if (list_empty(src))
		return;
	src->next->prev = dst->prev;
	dst->prev->next = src->next;
	src->prev->next = dst;
	dst->prev = src->prev;
	list_init(src);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_last(head, type, member) list_entry((head)->prev, type, member)
#define list_for_each(pos, head, member)                                                 \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); &pos->member != (head); \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
/* pos may be removed in the body. */
#define list_for_each_safe(pos, tmp, head, member)                                    \
	for (pos = list_entry((head)->next, __typeof__(*pos), member),                    \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member);                 \
	     &pos->member != (head);                                                      \
	     pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))

struct hlist_node {
	struct hlist_node *next, **pprev; /* pprev is NULL when not in a chain */
};
struct hlist {
	struct hlist_node *first;
};
static inline bool hlist_unhashed(const struct hlist_node *n)
{
	return !n->pprev;
}
static inline void hlist_add(struct hlist *h, struct hlist_node *n)
{
	n->next = h->first;
	if (n->next)
		n->next->pprev = &n->next;
	h->first = n;
	n->pprev = &h->first;
}
static inline void hlist_del(struct hlist_node *n)
{
	if (!n->pprev)
		return;
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	n->next = NULL;
	n->pprev = NULL;
}
#define hlist_for_each(pos, head, member)                                                          \
	for (struct hlist_node *hl_##pos = (head)->first;                                               \
	     hl_##pos && ((pos = container_of(hl_##pos, __typeof__(*pos), member)), true); hl_##pos = hl_##pos->next)
