"""From a trained model to the bundle: conversion, manifest, files."""
