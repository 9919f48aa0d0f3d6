/* SPDX-License-Identifier: MIT */
/* The table of kernel-side tests, and the way in for the host-side runner. */
#include "ktest.h"
#include "run.h"

#include "host.h"

static const struct ktest_suite *const suites[] = {&ktest_lib, &ktest_mm, &ktest_sched, &ktest_vfs, &ktest_aio, &ktest_program};

const char *maestro_ktest_suite(unsigned suite)
{
	return suite < ARRAY_SIZE(suites) ? suites[suite]->name : NULL;
}

const char *maestro_ktest_name(unsigned suite, unsigned i)
{
	return i < suites[suite]->count ? suites[suite]->tests[i].name : NULL;
}

const char *maestro_ktest_run(struct maestro *k, unsigned suite, unsigned i)
{
	const char *wrong;

	if (hosted_enter((struct hosted *)k))
		return "cannot enter the instance";
	wrong = suites[suite]->tests[i].fn();
	hosted_leave();
	return wrong;
}

const char *maestro_ktest_race(struct maestro *k, unsigned *counter, unsigned *trace)
{
	const char *wrong;

	if (hosted_enter((struct hosted *)k))
		return "cannot enter the instance";
	wrong = ktest_race(counter, trace);
	hosted_leave();
	return wrong;
}
