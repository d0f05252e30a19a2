# The image of `make image`: the static binary and nothing else.
FROM scratch
COPY bin/elastane /elastane
# Agents and `serve --join-token-file` keep state here.
VOLUME /data
ENTRYPOINT ["/elastane"]
