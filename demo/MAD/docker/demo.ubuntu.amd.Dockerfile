# CONTEXT {'gpu_vendor': 'AMD', 'guest_os': 'UBUNTU'}
# SPDX-License-Identifier: GPL-3.0-or-later
# The stand-in for madengine builds nothing; the real one would build this, and the demo models run in it.
ARG BASE_DOCKER=python:3.11-slim
FROM $BASE_DOCKER
