/* SPDX-License-Identifier: MIT */
/*
 * The fair class (sched(7), SCHED_OTHER): each task has a virtual run time that passes the slower the greater its weight; the one that has the
 * least runs next. One step of nice is a factor 1.25. The running task is in no tree, but counts in fair_weight.
 *
 * Locking: the run queue's.
 */
#include "sched_impl.h"

#include <maestro/kernel.h>
#include <maestro/lib.h>

#define NICE_0_WEIGHT 1024u
#define LATENCY_NS (6 * NSEC_PER_MSEC)
#define MIN_SLICE_NS (750 * NSEC_PER_USEC)

/* 1024 / 1.25^nice, for nice -20..19, and 2^32 over it (virtual time without a division). */
static const struct {
	u32 weight, inverse;
} weights[40] = {
	{ 88818, 48357 }, { 71054, 60447 }, { 56843, 75558 }, { 45475, 94447 }, { 36380, 118058 },
	{ 29104, 147573 }, { 23283, 184468 }, { 18626, 230590 }, { 14901, 288233 }, { 11921, 360286 },
	{ 9537, 450348 }, { 7629, 562979 }, { 6104, 703632 }, { 4883, 879576 }, { 3906, 1099582 },
	{ 3125, 1374390 }, { 2500, 1717987 }, { 2000, 2147484 }, { 1600, 2684355 }, { 1280, 3355443 },
	{ 1024, 4194304 }, { 819, 5244160 }, { 655, 6557202 }, { 524, 8196502 }, { 419, 10250519 },
	{ 336, 12782641 }, { 268, 16025997 }, { 215, 19976592 }, { 172, 24970740 }, { 137, 31350126 },
	{ 110, 39045157 }, { 88, 48806447 }, { 70, 61356676 }, { 56, 76695845 }, { 45, 95443718 },
	{ 36, 119304647 }, { 29, 148102321 }, { 23, 186737709 }, { 18, 238609294 }, { 15, 286331153 },
};

u32 fair_weight_of(int nice)
{
	return weights[nice + 20].weight;
}

static u32 inverse_of(u32 weight)
{
	/* the table is sorted by falling weight */
	unsigned lo = 0, hi = 39;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (weights[mid].weight > weight)
			lo = mid + 1;
		else
			hi = mid;
	}
	return weights[lo].inverse;
}

u64 fair_scale(u64 ns, u32 weight)
{
	u64 n = ns > U32_MAX ? U32_MAX : ns;

	if (likely(weight == NICE_0_WEIGHT))
		return ns;
	/* ns * 1024 / weight; SCHED_IDLE's weight of 3 is not in the table */
	return weight < weights[39].weight ? n * (NICE_0_WEIGHT / 3) : (n * inverse_of(weight)) >> 22;
}

void fair_insert(struct cpu *cpu, struct task *t)
{
	struct rb_node **link = &cpu->fair.root, *parent = NULL;
	bool first = true;

	while (*link) {
		parent = *link;
		/* a signed difference: virtual time may wrap */
		if ((s64)(t->se.vruntime - rb_entry(parent, struct task, se.node)->se.vruntime) < 0) {
			link = &parent->left;
		} else {
			link = &parent->right;
			first = false;
		}
	}
	rb_insert(&cpu->fair, &t->se.node, parent, link);
	if (first)
		cpu->fair_first = &t->se.node;
}

void fair_remove(struct cpu *cpu, struct task *t)
{
	if (cpu->fair_first == &t->se.node)
		cpu->fair_first = rb_next(&t->se.node);
	rb_erase(&cpu->fair, &t->se.node);
}

void fair_update_min(struct cpu *cpu)
{
	const struct task *curr = cpu->current_task, *left = fair_leftmost(cpu);
	bool curr_counts = curr != cpu->idle && curr->se.on_rq && !curr->se.rt_priority;
	u64 v;

	if (curr_counts)
		v = left && (s64)(left->se.vruntime - curr->se.vruntime) < 0 ? left->se.vruntime : curr->se.vruntime;
	else if (left)
		v = left->se.vruntime;
	else
		return;
	if ((s64)(v - cpu->min_vruntime) > 0)
		cpu->min_vruntime = v;
}

bool fair_slice_over(const struct cpu *cpu, const struct task *t)
{
	u64 ran = t->se.sum_exec - t->se.slice_start, slice;

	if (!cpu->fair_first)
		return false;
	slice = div64_u64((u64)LATENCY_NS * t->se.weight, cpu->fair_weight ? cpu->fair_weight : 1);
	if (slice < MIN_SLICE_NS)
		slice = MIN_SLICE_NS;
	return ran >= slice;
}
