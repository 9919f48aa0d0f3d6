# SPDX-License-Identifier: MIT
.PHONY: test-install
test-install: lib build/maestro-img build/maestro-fuse ## installs into an empty prefix, builds a project against it
	$(Q)tests/install/run build/tests/install
