/* SPDX-License-Identifier: MIT */
/*
 * On which CPU the serving thread runs. Where client and server share one, an answer needs no other CPU to be woken, which on some machines is most of a
 * request's time; on others the host's scheduler takes them apart again, and pinning costs. Nobody tells which: so it is tried. For a few requests each the
 * thread runs anywhere, and on each CPU alone; whichever way requests came quickest after each other is kept for a time, unless they become slow before.
 *
 * Requests whose sender took its time say nothing; without enough others the thread runs anywhere, as it does when there are many CPUs.
 */
#include "fs_host.h"

#include <sched.h>
#include <string.h>

#define SLOW_NS 1000000 /* who needs so long from one request to the next does not wait for us alone */
#define WARM_UP 4
#define TRIAL 36	/* requests, with those */
#define WINDOW 256	/* requests after which is looked how it goes */
#define STAY_LEAST 4	/* windows until the next trials */
#define STAY_MOST 64

static void run_on(struct place *p, unsigned way)
{
	cpu_set_t set;

	if (way) {
		CPU_ZERO(&set);
		CPU_SET(p->cpu[way - 1], &set);
	} else {
		CPU_ZERO(&set);
		for (unsigned i = 0; i < p->cpus; i++)
			CPU_SET(p->cpu[i], &set);
	}
	if (sched_setaffinity(0, sizeof(set), &set))
		p->cpus = 0; /* the set has changed under us: no more of that */
	p->way = way;
	p->sum = 0;
	p->count = p->seen = 0;
}

/* ns from request to request, or INT64_MAX: too few were quick. */
static int64_t average(const struct place *p)
{
	return p->count * 2 > p->seen ? p->sum / p->count : INT64_MAX;
}

static void settle(struct place *p)
{
	unsigned best = 0;

	for (unsigned way = 1; way <= p->cpus; way++) /* it has to be worth it */
		if (p->average[way] < INT64_MAX && p->average[way] < p->average[best] / 4 * 3)
			best = way;
	p->stay = best == p->last && p->stay < STAY_MOST ? p->stay * 2 : STAY_LEAST;
	p->last = best;
	p->left = p->stay;
	p->trying = false;
	run_on(p, best);
}

static void end_trial(struct place *p)
{
	p->average[p->way] = average(p);
	if (p->way < p->cpus)
		run_on(p, p->way + 1);
	else
		settle(p);
}

static void end_window(struct place *p)
{
	int64_t now = average(p), then = p->average[p->way];
	bool worse = now < INT64_MAX && then < INT64_MAX && now / 2 > then;

	p->sum = 0;
	p->count = p->seen = 0;
	if ((p->way && worse) || !--p->left) {
		p->trying = true;
		run_on(p, 0);
	}
}

void place_init(struct place *p, bool alone)
{
	cpu_set_t set;

	*p = (struct place){.stay = STAY_LEAST, .trying = true};
	if (!alone || sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) < 2 || CPU_COUNT(&set) > PLACE_CPUS)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			p->cpu[p->cpus++] = cpu;
}

void place_request(struct place *p, int64_t now)
{
	int64_t since = now - p->before;

	p->before = now;
	if (!p->cpus)
		return;
	if (++p->seen > WARM_UP && since < SLOW_NS) {
		p->sum += since;
		p->count++;
	}
	if (p->trying && p->seen >= TRIAL)
		end_trial(p);
	else if (!p->trying && p->seen >= WINDOW)
		end_window(p);
}
